// Moves the slider as a hand does, and hears of every picture that the lab has drawn.
(() => {
  const real = window.requestAnimationFrame.bind(window);
  let frameEnd = -1;
  window.requestAnimationFrame = (work) => real((t) => { work(t); frameEnd = performance.now(); });
  const afterRendering = (work) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = work;
    const ring = () => channel.port2.postMessage(0);
    if (performance.now() - frameEnd < 1) ring(); else real(ring);  // drawn within a frame, or before one
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const lab = () => document.querySelector('[data-settings]');
  const slider = () => document.querySelector('input[name=learning_rate]');
  const push = (place) => {
    slider().value = String(place);
    slider().dispatchEvent(new Event('input', { bubbles: true }));
    return Number(document.querySelector('input[name=learning_rate-typed]').value);
  };
  window.probe = {
    // ms from a move to the first picture of the new rate on screen, and to the finished one
    async moves(count, [low, high]) {
      const first = [], finished = [];
      for (let k = 0; k < count; k++) {
        const begun = performance.now();
        const rate = push(Math.round(low + ((high - low) * (k + 1)) / count));
        await new Promise((resolve) => {
          let seen = false;
          const observer = new MutationObserver(() => {
            const { settings, done } = lab().dataset;
            if (JSON.parse(settings).learning_rate !== rate) return;
            if (!seen) afterRendering(() => first.push(performance.now() - begun));
            seen = true;
            if (done === 'false') return;
            observer.disconnect();
            afterRendering(() => { finished.push(performance.now() - begun); resolve(); });
          });
          observer.observe(lab(), { attributes: true });
        });
        await wait(120 + 37 * (k % 3));
      }
      return { first: median(first), finished: median(finished), worst: Math.max(...finished) };
    },
    // frames, redraws and complete curves a second while the slider moves at every frame
    async drag(seconds, [low, high]) {
      let frames = 0, redraws = 0, complete = 0, going = true, longest = 0, last = performance.now();
      const observer = new MutationObserver(() => {
        redraws++;
        if (lab().dataset.done !== 'false') complete++;
      });
      observer.observe(lab(), { attributes: true });
      const begun = performance.now();
      const span = high - low;
      const frame = () => {
        frames++;
        longest = Math.max(longest, performance.now() - last);
        last = performance.now();
        push(low + Math.abs(((frames + span) % (2 * span)) - span));
        if (going) real(frame);
      };
      real(frame);
      await wait(1000 * seconds);
      going = false;
      const spent = (performance.now() - begun) / 1000;
      observer.disconnect();
      await wait(700);
      return { frames: frames / spent, redraws: redraws / spent, complete: complete / spent, longest };
    },
  };
})();
