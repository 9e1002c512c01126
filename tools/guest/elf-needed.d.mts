export function neededLibraries(file: Buffer): string[];
