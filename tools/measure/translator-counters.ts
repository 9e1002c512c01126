/** The counters of the region translator, as the monitor's `info jit` prints them. */

export type Counters = ReadonlyMap<string, number>;

/** By label; the sum over the vCPUs, whose own numbers follow in parentheses. Throws when no counter is in the text. */
export function parseCounters(text: string): Counters {
  const found = [...text.matchAll(/^(\S.*?) {2,}(\d+)(?: \w+)?(?: \(.*\))?$/gm)];
  if (found.length === 0) throw new Error(`no counters of the translator in ${JSON.stringify(text)}`);
  return new Map(found.map(([, label = "", value]) => [label, Number(value)]));
}

/** What was counted between two looks. */
export function countersBetween(before: Counters, after: Counters): Counters {
  return new Map([...after].map(([label, value]) => [label, value - (before.get(label) ?? 0)]));
}
