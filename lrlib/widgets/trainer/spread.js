// How a network's effective rates spread over its parameters.

// Puts the k-th least of values[from … to] into place k, nothing greater before it and nothing less behind (Hoare 1961).
function selectPlace(values, k, from, to) {
  while (from < to) {
    const pivot = values[(from + to) >> 1];
    let [i, j] = [from, to];
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const held = values[i];
      values[i++] = values[j];
      values[j--] = held;
    }
    if (k <= j) to = j;
    else if (k >= i) from = i;
    else return;
  }
}

// The quantiles at these shares of what is a number, linear between neighbours as NumPy's, and after them the share that is none:
// parameters that have had no gradient yet.
export function spreadOf(rates, shares) {
  const known = new Float64Array(rates.length);
  let count = 0;
  for (const rate of rates) if (rate === rate) known[count++] = rate;
  const last = count - 1;
  let from = 0;
  const quantile = (share) => {
    const place = share * last;
    const below = Math.floor(place);
    selectPlace(known, below, from, last);
    from = below;
    let above = Infinity; // the next greater: the least of what lies behind
    for (let i = below + 1; i <= last; i++) if (known[i] < above) above = known[i];
    return place === below ? known[below] : known[below] + (place - below) * (above - known[below]);
  };
  return [...shares.map((share) => (count ? quantile(share) : NaN)), 1 - count / rates.length];
}
