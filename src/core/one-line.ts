/** `text` with its control characters and line ends escaped, so that a message about hostile input stays one line. */
export function oneLine(text: string): string {
  let line = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029;
    line += isControl ? `\\x${code.toString(16).padStart(2, "0")}` : character;
  }
  return line;
}
