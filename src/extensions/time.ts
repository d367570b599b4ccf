/** `-m time`: dates, days and hours. Kernel: net/netfilter/xt_time.c. The clock is the capture's; the kernel's time zone is taken as UTC. */
import { SPECIAL_TIME } from '../abi/special.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';
import {
  ALL_MONTHDAYS,
  ALL_WEEKDAYS,
  clockText,
  DAYS,
  dateText,
  readClock,
  readDate,
  readMonthdays,
  readWeekdays,
} from './time-values.ts';

export interface TimeOptions {
  /** Seconds since the epoch, both included. */
  dateStart: number;
  dateStop: number;
  /** Seconds of the day, both included; from a later one to an earlier one goes over midnight. */
  dayStart: number;
  dayStop: number;
  /** Bits 1 << day of the month; 1 << weekday, Monday 1 to Sunday 7. */
  monthdays: number;
  weekdays: number;
  /** --kerneltz: printed; the kernel's zone is UTC here. */
  local: boolean;
  contiguous: boolean;
}

const DAY = 86_400;
const LAST_DATE = 0x7fffffff;
const LAST_SECOND = DAY - 1;
const flag = { argument: 'none' } as const;
const specs = [
  option('datestart'),
  option('datestop'),
  option('timestart'),
  option('timestop'),
  option('weekdays', { invertible: true }),
  option('monthdays', { invertible: true }),
  option('localtz', flag),
  option('utc', flag),
  option('kerneltz', flag),
  option('contiguous', flag),
];

export const time: MatchExtension<TimeOptions> = {
  name: 'time',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'date, time of day, day of week or month, on the capture’s clock',

  parse(given, context) {
    const all = new Given('time', specs, given, context);
    all.exclusive(['utc', 'kerneltz']);
    all.exclusive(['utc', 'localtz']);
    const value = <T>(name: string, read: (all: Given, one: NonNullable<ReturnType<Given['get']>>) => T, otherwise: T): T => {
      const one = all.get(name);
      return one === undefined ? otherwise : read(all, one);
    };
    const options: TimeOptions = {
      dateStart: value('datestart', readDate, 0),
      dateStop: value('datestop', readDate, LAST_DATE),
      dayStart: value('timestart', readClock, 0),
      dayStop: value('timestop', readClock, LAST_SECOND),
      monthdays: value('monthdays', readMonthdays, ALL_MONTHDAYS),
      weekdays: value('weekdays', readWeekdays, ALL_WEEKDAYS),
      local: all.has('kerneltz') || all.has('localtz'),
      contiguous: all.has('contiguous'),
    };
    if (options.contiguous && options.dayStart < options.dayStop) {
      throw all.context.error('time: --contiguous wants a --timestop before --timestart', {
        kind: 'illegal',
        hint: 'it is about times that go over midnight, for example --timestart 22:00 --timestop 02:00',
      });
    }
    return options;
  },

  print({ dateStart, dateStop, dayStart, dayStop, monthdays, weekdays, local, contiguous }) {
    const hours =
      dayStart === 0 && dayStop === LAST_SECOND ? '' : ` --timestart ${clockText(dayStart)} --timestop ${clockText(dayStop)}`;
    const bits = (mask: number): number[] =>
      Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (mask & (1 << bit)) !== 0);
    const inMonth = monthdays === ALL_MONTHDAYS ? '' : ` --monthdays ${bits(monthdays).join(',')}`;
    const inWeek =
      weekdays === ALL_WEEKDAYS
        ? ''
        : ` --weekdays ${bits(weekdays)
            .map((day) => DAYS[day - 1])
            .join(',')}`;
    const dates = `${dateStart === 0 ? '' : ` --datestart ${dateText(dateStart)}`} --datestop ${dateText(dateStop)}`;
    return hours + inMonth + inWeek + dates + (local ? ' --kerneltz' : '') + (contiguous ? ' --contiguous' : '');
  },

  evaluate({ dateStart, dateStop, dayStart, dayStop, monthdays, weekdays, contiguous }, packet) {
    const now = Number(packet.time / 1_000_000_000n);
    if (now < dateStart || now > dateStop) return false;
    const second = now % DAY;
    const overMidnight = dayStart >= dayStop;
    const inside = overMidnight ? second >= dayStart || second <= dayStop : second >= dayStart && second <= dayStop;
    if (!inside) return false;
    // The morning behind midnight belongs to the day before.
    const date = new Date((contiguous && second <= dayStop ? now - DAY : now) * 1000);
    return (weekdays & (1 << (date.getUTCDay() || 7))) !== 0 && (monthdays & (1 << date.getUTCDate())) !== 0;
  },

  lower({ dateStart, dateStop, dayStart, dayStop, monthdays, weekdays, contiguous }) {
    const parameters = [dateStart, dateStop, dayStart, dayStop, monthdays >>> 0, weekdays, contiguous ? 1 : 0];
    return [{ kind: 'special', code: SPECIAL_TIME, parameters, stateful: false }];
  },

  generate(draw) {
    const out: string[] = [];
    const clock = (): string =>
      draw.pick(['00:00', '22:13:20', '22:13:21', '12:00', '23:59:59', `${draw.integer(0, 23)}:${draw.integer(0, 59)}`]);
    const not = (): string[] => (draw.chance(0.3) ? ['!'] : []);
    if (draw.chance(0.4)) {
      const hours = [draw.integer(0, 23), draw.integer(0, 23)];
      const late = draw.chance(0.3) && hours[0]! > hours[1]!;
      if (late) out.push('--timestart', `${hours[0]}:00`, '--timestop', `${hours[1]}:30`, '--contiguous');
      else out.push('--timestart', clock(), '--timestop', clock());
    }
    if (draw.chance(0.3)) out.push(...not(), '--weekdays', draw.pick(['Mon,Tue,Wed,Thu,Fri', 'Sat,Sun', 'Tue', '2,4', 'Thu']));
    if (draw.chance(0.3)) out.push(...not(), '--monthdays', draw.pick(['14', '1,2,3,26', '14,15,26', '31', '29,30']));
    const dates = ['2020-01-01', '2023-11-14T22:13:20', '2023-11-15', '2026-01-01', '2030-02-28', '2024-02-29T12:00'];
    if (draw.chance(0.3)) out.push('--datestart', draw.pick(dates));
    if (draw.chance(0.3)) out.push('--datestop', draw.pick(dates));
    return draw.chance(0.1) ? [...out, '--kerneltz'] : out;
  },

  show(_, packet) {
    const now = Number(packet.time / 1_000_000_000n);
    return `${DAYS[(new Date(now * 1000).getUTCDay() + 6) % 7]} ${dateText(now)} UTC`;
  },
};
