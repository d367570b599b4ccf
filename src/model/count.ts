/** How whole numbers are told, in notes and reports alike. */

/** Between digits behind which others stand in threes. */
const THOUSANDS = /\B(?=(?:\d{3})+$)/g;

/** A whole number as `1,234,567`. Not Intl's: it reads its data for 15 ms when it is first asked. */
export const count = (value: number | bigint): string => String(value).replace(THOUSANDS, ',');

/** `1 packet`, `2 packets`. */
export const plural = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
