/** Dates, times and days of `-m time`, as iptables 1.8.9 reads and prints them. */
import type { GivenOption } from './extension.ts';
import { type Given, textOf } from './given.ts';

export const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
export const ALL_MONTHDAYS = 0xfffffffe | 0;
export const ALL_WEEKDAYS = 0xfe;

const DATE = /^(\d+)(?:-(\d+)(?:-(\d+)(?:T(?:(\d+)(?::(\d+)(?::(\d+))?)?)?)?)?)?$/;
const CLOCK = /^(\d+):(\d+)(?::(\d+))?$/;

/** YYYY[-MM[-DD[Thh[:mm[:ss]]]]], UTC, from 1970 to 2038; days that a month does not have go on in the next one. */
export function readDate(all: Given, one: GivenOption): number {
  const found = DATE.exec(textOf(one));
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = (found?.slice(1) ?? []).map((part) =>
    part === undefined ? undefined : Number(part),
  );
  const right =
    year >= 1970 &&
    year <= 2038 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 31 &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59;
  if (found === null || !right) throw all.wants(one, 'YYYY[-MM[-DD[Thh[:mm[:ss]]]]] from 1970 to 2038');
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

/** hh:mm[:ss] -> seconds of the day. */
export function readClock(all: Given, one: GivenOption): number {
  const found = CLOCK.exec(textOf(one));
  const [hour = 0, minute = 0, second = 0] = (found?.slice(1) ?? []).map((part) => Number(part ?? 0));
  if (found === null || hour > 23 || minute > 59 || second > 59) throw all.wants(one, 'hh:mm[:ss] up to 23:59:59');
  return hour * 3600 + minute * 60 + second;
}

/** Two characters a day are looked at; 0 is no day. */
export function readMonthdays(all: Given, one: GivenOption): number {
  let mask = 0;
  for (const part of textOf(one).split(',')) {
    const day = part.slice(0, 2);
    if (day === '') continue;
    if (!/^\d+$/.test(day) || Number(day) > 31)
      throw all.wants(one, 'days from 1 to 31 with commas between them', undefined, part);
    mask |= 1 << Number(day);
  }
  return (mask ^ (one.invert ? ALL_MONTHDAYS : 0)) & ALL_MONTHDAYS;
}

/** Names by their first two letters, or numbers from 1 (Monday) to 7; greater ones are no days. */
export function readWeekdays(all: Given, one: GivenOption): number {
  let mask = 0;
  for (const part of textOf(one) === '' ? [] : textOf(one).split(',')) {
    const day = /^\d+$/.test(part) ? Number(part) : DAYS.findIndex((name) => name.slice(0, 2) === part.slice(0, 2)) + 1;
    if (day === 0) throw all.wants(one, `days: ${DAYS.join(', ')} or 1 to 7`, 'the week begins with Monday', part);
    if (day <= 7) mask |= 1 << day;
  }
  return (mask ^ (one.invert ? ALL_WEEKDAYS : 0)) & ALL_WEEKDAYS;
}

/** `2023-11-14T22:13:20`. */
export function dateText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

/** `22:13:20`. */
export function clockText(seconds: number): string {
  return dateText(seconds).slice(11);
}
