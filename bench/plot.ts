/** Recorded results as pictures: nanoseconds a packet on scales of powers of ten, one line a program. SVG, written by hand: it is text. */

export interface Series {
  name: string;
  /** x, and nanoseconds a packet. */
  points: readonly (readonly [number, number])[];
}

export interface Plot {
  title: string;
  /** What x counts. */
  axis: string;
  series: readonly Series[];
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 220;
const TOP = 50;
const BOTTOM = 60;
/** Least distance of two names, from line to line. */
const LINE = 15;
/** Apart for people who see few colours (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

/** The picture; `source` says where the numbers come from. Series without points are left out. */
export function plotSvg({ title, axis, series }: Plot, source: string): string {
  const drawn = series.filter(({ points }) => points.length > 0);
  const all = drawn.flatMap(({ points }) => points);
  const [across, up] = [
    scale(
      all.map(([x]) => x),
      LEFT,
      WIDTH - RIGHT,
    ),
    scale(
      all.map(([, y]) => y),
      HEIGHT - BOTTOM,
      TOP,
    ),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    label(LEFT, 24, title, 'font-size="15" font-weight="bold"'),
    label(LEFT, HEIGHT - 10, source, 'fill="#666" font-size="10"'),
    label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 28, axis, 'text-anchor="middle"'),
    label(8, 42, 'ns a packet', ''),
    ...across.ticks.flatMap((x) => [
      rule(across.at(x), TOP, across.at(x), HEIGHT - BOTTOM),
      label(across.at(x), HEIGHT - BOTTOM + 16, x.toLocaleString('en-US'), 'text-anchor="middle"'),
    ]),
    ...up.ticks.flatMap((y) => [
      rule(LEFT, up.at(y), WIDTH - RIGHT, up.at(y)),
      label(LEFT - 6, up.at(y) + 4, y.toLocaleString('en-US'), 'text-anchor="end"'),
    ]),
    ...drawn.flatMap(({ points }, index) => line(points, across.at, up.at, COLOURS[index % COLOURS.length]!)),
    ...names(drawn, across.at, up.at),
    '</svg>',
    '',
  ].join('\n');
}

interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

/** From the power of ten below the least value to the one above the greatest. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    at: (value) => round(from + ((Math.log10(value) - low) / (high - low)) * (to - from)),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
  };
}

function line(points: Series['points'], x: Scale['at'], y: Scale['at'], colour: string): string[] {
  const path = points.map((point) => `${x(point[0])},${y(point[1])}`).join(' ');
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...points.map(([at, value]) => `<circle cx="${x(at)}" cy="${y(value)}" r="3" fill="${colour}"/>`),
  ];
}

/** Names stand beside the ends of their lines; of those that end at the right none on another. */
function names(series: readonly Series[], x: Scale['at'], y: Scale['at']): string[] {
  const placed = series
    .map(({ name, points }, index) => {
      const [last, value] = points.at(-1)!;
      return { text: `${name} (${value.toFixed(0)})`, left: x(last) + 8, at: y(value), colour: COLOURS[index % COLOURS.length]! };
    })
    .sort((one, other) => one.at - other.at);
  let lowest = Number.NEGATIVE_INFINITY;
  return placed.map(({ text, left, at, colour }) => {
    const inside = left < WIDTH - RIGHT;
    const down = inside ? at : Math.max(at, lowest + LINE);
    if (!inside) lowest = down;
    return label(left, down + 4, text, `fill="${colour}"`);
  });
}

const round = (value: number): number => Math.round(value * 10) / 10;
const rule = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#ddd"/>`;
const label = (x: number, y: number, text: string, how: string): string =>
  `<text x="${x}" y="${y}" ${how}>${escaped(text)}</text>`;
const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
