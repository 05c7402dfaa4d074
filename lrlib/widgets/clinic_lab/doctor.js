// The doctor and the reader of logs in the page. Both are Python's own: translatedDoctor stands at the end of this module, put
// there by doctor.py. Written here is only what files are to a page.
import { numpy } from "../translation/numpy.js";
import { python } from "../translation/python.js";

const LARGEST = 100e6; // bytes; a page holds a log as a whole
const ELSEWHERE = "python -m lrlib diagnose reads it";

class LogFile {
  constructor({ name, bytes }) {
    Object.assign(this, { name, bytes });
  }
  exists() {
    return true;
  }
  __str__() {
    return this.name;
  }
}

function* linesOf(text) {
  const end = /\r\n|\r|\n/g;
  let start = 0;
  while (end.exec(text)) {
    yield text.slice(start, end.lastIndex);
    start = end.lastIndex;
  }
  if (start < text.length) yield text.slice(start);
}

const ENCODINGS = { "utf-8-sig": "utf-8", "utf-16-le": "utf-16le", "utf-16-be": "utf-16be" }; // Python's names, where others

function decoded(bytes, encoding) {
  const marked = bytes[0] === 0xff ? "utf-16le" : "utf-16be";
  if (encoding !== "latin-1") return new TextDecoder(encoding === "utf-16" ? marked : ENCODINGS[encoding] ?? encoding).decode(bytes);
  let text = ""; // what browsers call Latin-1 is another
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return text;
}

const isEventFile = ({ bytes }) => new TextDecoder("latin1").decode(bytes.subarray(0, 64)).includes("brain.Event:");

export const doctor = (() => {
  const page = {
    names: [], // of the columns that were found last
    Path: (file) => new LogFile(file),
    columns(path, notes) {
      page.names = [];
      if (path.bytes.length > LARGEST) tools.refuse(path, `holds more than ${LARGEST / 1e6} MB, the most for a page; ${ELSEWHERE}`);
      if (isEventFile(path)) tools.refuse(path, `is an event file of TensorBoard, which this page does not read; ${ELSEWHERE}`);
      const encoding = tools._encoding(path, python.Cells.of(path.bytes.subarray(0, tools.HEAD)), notes);
      const columns = tools.read_text(path, linesOf(decoded(path.bytes, encoding)), notes);
      page.names = [...columns.finished()[0].keys()];
      return [path, columns];
    },
  };
  const tools = translatedDoctor(python, numpy, page);
  const list = (values) => values && Array.from(values);
  return {
    // The diagnosis of {loss, validation_loss, validation_steps, rates}, as its as_dict() in Python.
    diagnose(series) {
      const names = ["steps", "validation_loss", "validation_steps", "rates"];
      const curve = new tools.Curve(series.loss, ...names.map((name) => series[name] ?? undefined));
      return this.told(tools.diagnose(curve));
    },
    // {curve, diagnosis} of a log, {name, bytes}; columns are {loss, validation_loss, rate, step}, null to be guessed.
    // Throws an error whose message is for the reader where it is none.
    read(file, { loss = null, validation_loss: heldOut = null, rate = null, step = null } = {}) {
      const { steps, loss: values, validation_steps: at, validation_loss: held, rates, unit, notes } = this.curve = tools.read(file, loss, heldOut, rate, step);
      const curve = { steps: list(steps), loss: list(values), validation_steps: list(at), validation_loss: list(held), rates: list(rates), unit, notes };
      return { curve, diagnosis: this.told(tools.diagnose(this.curve)) };
    },
    names: () => page.names,
    told: (diagnosis) => ({ ...python.plain(diagnosis.as_dict()), report: diagnosis.__str__() }),
    LARGEST, SCORE: tools.SCORE, NOTHING: tools.NOTHING,
  };
})();

// A file's bytes, unpacked if gzip packed them.
export async function bytesOfFile(file) {
  const bytes = new Uint8Array(await file.slice(0, LARGEST + 1).arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(`${file.name} is a damaged gzip file.`);
  }
}
