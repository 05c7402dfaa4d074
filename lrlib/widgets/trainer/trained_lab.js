// What labs share that train a network at the rates of one slider: the run that is shown, and who trains the next one.
import { IN_BROWSER, ONLY_RECORDED, RECORDED, byKernel, oncePerFrame, watchKernel } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { startService } from "./trainer.js";
import { canCompute, divergedAt } from "./wasm_runner.js";

// A lab gives its settings(); records are {rate, loss, evalSteps, validation, done} and an array named extra, of which
// recordedExtra(k) is that of recorded run k. It paints runs.shown = {record, settings, source}, keeps the sweeps that it is
// given, {points: [{rate, final, bad}], settings, source}, and is told by changed(now, before) of settings that are new.
// options(settings) and sweepOptions(settings) are what trainer.js takes besides.
export function makeRuns({ model, el, frame, button, settings, extra, recordedExtra, options = () => ({}), sweepOptions = options, changed, paint, keepSweep }) {
  const config = model.get("config");
  const host = model.get("host");
  const live = host === "page" && canCompute();
  const runs = { shown: null, soon: oncePerFrame(update, frame.life), begin };
  const paintSoon = oncePerFrame(paint, frame.life); // pictures may come faster than the screen shows them
  const request = live ? startService(config.training, receive, frame.life) : null;
  let sweeping = 0;
  let drawn = 0;
  let count = 0;

  function show(record, now, source) {
    runs.shown = { record, settings: now, source };
  }

  function recordedRun(now) {
    const { rates, loss, validation, evalSteps, settings: fixed, steps, evaluations } = config.recorded;
    const gap = (rate) => Math.abs(Math.log(rate / now.learning_rate));
    const k = rates.reduce((nearest, rate, i) => (gap(rate) < gap(rates[nearest]) ? i : nearest), 0);
    const row = (packed, size) => Array.from(unpack(packed).subarray(k * size, (k + 1) * size));
    const record = { rate: rates[k], loss: row(loss, steps), evalSteps, validation: row(validation, evaluations), done: true };
    show({ ...record, [extra]: recordedExtra(k) }, { ...fixed, learning_rate: rates[k] }, live ? RECORDED : ONLY_RECORDED);
  }

  function recordedSweep() {
    const { rates, validation, settings: fixed, evaluations, diverged } = config.recorded;
    const finals = unpack(validation).filter((_, i) => (i + 1) % evaluations === 0);
    keepSweep({ points: pointsOf(rates, finals, diverged), settings: fixed, source: RECORDED });
  }

  const pointsOf = (rates, finals, diverged) => rates.map((rate, k) => ({ rate, final: finals[k], bad: diverged[k] }));
  const isBad = (record) => divergedAt(record.loss, config.threshold) >= 0;

  function receive({ id, settings: now, records, finished, failed }) {
    if (failed) {
      if (id === sweeping) endSweep();
      frame.say("Could not train in this browser", `${failed} The recorded runs stay.`);
      return;
    }
    if (id === sweeping) {
      if (!finished) return;
      endSweep();
      const points = pointsOf(records.map(({ rate }) => rate), records.map(({ validation }) => validation.at(-1)), records.map(isBad));
      keepSweep({ points, settings: now, source: IN_BROWSER });
      if (runs.shown) paint();
      return;
    }
    if (id < drawn) return; // while the slider is dragged, the latest that there is
    drawn = id;
    show(records[0], now, IN_BROWSER);
    paintSoon();
  }

  function endSweep() {
    sweeping = 0;
    button.disabled = false;
  }

  function update() {
    const now = settings();
    if (runs.shown) changed(now, runs.shown.settings);
    if (!live) {
      recordedRun(now);
      paint();
      return;
    }
    if (sweeping) endSweep(); // a move stops the sweep under way
    request({ id: ++count, settings: now, rates: [now.learning_rate], single: true, ...options(now) });
  }

  frame.life.listen(button, "click", () => {
    if (host === "kernel") {
      model.set("asked", model.get("asked") + 1);
      model.save_changes();
      return;
    }
    const now = settings();
    button.disabled = true;
    sweeping = ++count;
    request({ id: sweeping, settings: now, rates: config.rates, single: false, ...sweepOptions(now) });
  });

  function fromKernel() {
    const { loss, validation, evalSteps, settings: now, done, device, problem, [extra]: more } = model.get("result");
    if (problem) frame.say("The kernel could not train", `${problem} The last curve stays.`);
    if (problem || !loss) return;
    if (runs.shown) changed(now, runs.shown.settings);
    const list = (packed) => Array.from(unpack(packed));
    const record = { rate: now.learning_rate, loss: list(loss), evalSteps, validation: list(validation), done };
    show({ ...record, [extra]: list(more) }, now, byKernel(device));
    paint();
  }

  function sweepFromKernel() {
    const { rates, finals, diverged, settings: now, device } = model.get("backdrop");
    if (!rates) return;
    keepSweep({ points: pointsOf(rates, unpack(finals), diverged), settings: now, source: byKernel(device) });
    if (runs.shown) paint();
  }

  // Shows what there is, and waits for the reader. In a page, training gets ready when the reader comes near.
  function begin() {
    if (host === "kernel") {
      watchKernel(model, frame);
      frame.life.follow(model, "change:result", oncePerFrame(fromKernel, frame.life));
      frame.life.follow(model, "change:backdrop", sweepFromKernel);
      sweepFromKernel();
      fromKernel();
      return;
    }
    recordedSweep();
    recordedRun(settings());
    paint();
    if (live) {
      const warm = () => count || request({ warm: true, settings: settings(), ...options(settings()) });
      for (const name of ["pointerenter", "focusin"]) frame.life.listen(el, name, warm, { once: true });
      return;
    }
    frame.controls.only("learning_rate");
    button.hidden = true;
  }

  return runs;
}
