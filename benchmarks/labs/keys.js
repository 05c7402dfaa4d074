// Beside a kernel: ms from a key on the slider to the first picture of what it asked for, and to the finished one.
(() => {
  let begun = 0, before = '';
  const seen = (window.answers = []);
  document.addEventListener('keydown', () => { begun = performance.now(); before = lab().dataset.settings; }, true);
  const lab = () => document.querySelector('[data-settings]');
  new MutationObserver(() => {
    if (!begun || lab().dataset.settings === before) return;
    const last = seen.at(-1);
    if (last?.begun !== begun) seen.push({ begun, first: performance.now() - begun });
    if (lab().dataset.done === 'true') { seen.at(-1).finished = performance.now() - begun; begun = 0; }
  }).observe(lab(), { attributes: true });
})();
