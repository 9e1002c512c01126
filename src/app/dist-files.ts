/** Where the build puts what a program finds at run time. */

declare global {
  /** The folder `dist/` as a file: URL that ends with a slash; the build says how each bundle finds it. */
  const DIST_URL: string;
}

export const distFile = (name: string): URL => new URL(name, DIST_URL);
