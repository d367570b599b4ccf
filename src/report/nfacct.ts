/** Objects of nfacct as `nfacct list` prints them (nfacct 1.0.2). */
import type { Counter } from '../model/outcome.ts';

/** `{ pkts = 00000000000000000003, bytes = 00000000000000000252 } = web;` */
export const nfacctLine = ({ name, packets, bytes }: Counter & { name: string }): string =>
  `{ pkts = ${padded(packets)}, bytes = ${padded(bytes)} } = ${name};`;

const padded = (number: number): string => String(number).padStart(20, '0');
