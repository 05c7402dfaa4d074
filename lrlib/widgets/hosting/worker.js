// The module that this is part of, as a worker on another thread. From file:// no worker starts that is made of a module, but
// one made of a plain script does.
export async function startWorker() {
  const module = await (await fetch(import.meta.url)).text();
  const script = module.replace(/^export default .*$/m, "").replaceAll("import.meta", "self");
  const url = URL.createObjectURL(new Blob([`(() => { "use strict";\n${script}\n})();`], { type: "text/javascript" }));
  return { worker: new Worker(url), url };
}
