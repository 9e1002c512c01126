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

/** The page with `content` between the lines `<!-- MARK -->` and `<!-- end of MARK -->`. Throws when it lacks them. */
export function replaceMarked(page: string, mark: string, content: string): string {
  const [first, last] = [`<!-- ${mark} -->\n`, `<!-- end of ${mark} -->`];
  const [start, end] = [page.indexOf(first), page.indexOf(last)];
  if (start < 0 || end < start) throw new Error(`the page has no marks ${first.trim()} and ${last}`);
  return `${page.slice(0, start + first.length)}${content}\n${page.slice(end)}`;
}
