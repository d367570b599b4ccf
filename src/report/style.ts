/** Colours as functions, so that the report stays neutral of terminals. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

const same = (text: string): string => text;

export const PLAIN: Style = { bold: same, dim: same, good: same, bad: same, warn: same };

export { count, plural } from '../model/count.ts';

/** `45.2%`, `<0.1%` for a share that would round to nothing, `` for 0 of anything. */
export function share(part: number, whole: number): string {
  if (part === 0 || whole === 0) return '';
  const percent = (part / whole) * 100;
  return percent < 0.05 ? '<0.1%' : `${percent.toFixed(1)}%`;
}
