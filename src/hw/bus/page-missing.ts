/**
 * Guest memory that a device needs and that has not come from the source of a postcopy.
 *
 * `Dma.view` throws it. A device's work is cut so that nothing has changed until everything it touches is there: whoever
 * begins the work catches it, waits for the pages (`Dma.present`), and begins anew. A page that is here stays here.
 */

export class PageMissing extends Error {
  /** One at least: the pages in question, or the first of many. */
  readonly pages: readonly [number, ...number[]];

  constructor(pages: readonly [number, ...number[]]) {
    super(`page ${pages[0]} of guest memory has not come yet`);
    this.pages = pages;
  }
}
