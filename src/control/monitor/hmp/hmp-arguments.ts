/** The arguments of an HMP command by name. */
export type HmpArguments = Readonly<Record<string, string | bigint | boolean | undefined>>;
