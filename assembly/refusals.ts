/**
 * Packets that rules refused, or that the stack did not forward, kept for the host's own answers to them in the capture. An answer has the connection of the refused packet, RELATED (nf_ct_attach), and is this host's, whatever its addresses say.
 * A ring of as many places as packets may lie between the two, so that none is lost. It lies in memory of its own, from the first one that is answered on.
 */
import { ANSWER_WITHIN } from '../src/abi/answers.ts';
import { CONTROL_ANSWERS } from '../src/abi/control.ts';
import { FIELD_IN_INTERFACE } from '../src/abi/fields.ts';
import { PACKET_EDGE, PACKET_NUMBER, PACKET_UNSEEN, PACKET_WAY, WAY_INPUT, WAY_LOST_INPUT } from '../src/abi/packet.ts';
import { UNSEEN_OUTGOING_COPY } from '../src/abi/reasons.ts';
import {
  ANSWER_SIZE,
  answerOfDelivery,
  answerOfRule,
  answerOfStack,
  expectAnswer,
  isAnswer,
  NO_ANSWER,
  takeBackTranslation,
} from './answer.ts';
import { attachConnection, conntrackCarve, dropConnection, KEPT_SIZE, keepConnection } from './conntrack/index';
import { leaveAsAnswer, mayBeOwn, mtuOfAnswer } from './stack/index.ts';
import { addTo } from './tally.ts';

/** u64: the refused packet's number, 0: answered, or never used; u32: the device it came in at; its connection (conntrack/answered.ts); what its answer is like (answer.ts). */
const NUMBER: usize = 0;
const DEVICE: usize = 8;
const CONNECTION: usize = 16;
const ANSWER: usize = CONNECTION + KEPT_SIZE;
/** A multiple of what memory is given in. */
const PLACE_SIZE: usize = (ANSWER + ANSWER_SIZE + 127) & ~127;

let ring: usize = 0;
/** The place of the latest refusal. */
let latest: usize = 0;
/** The number of the answer that came last. */
let answer: u64 = 0;
/** The number of the last packet that may be an answer; 0: none is waited for. */
export let answeredUntil: u64 = 0;

/** A rule refused the packet, with a reset or an error. Its connection is then kept, or left as it was. `arrived`: it came in, so that its checksum counts. */
export function rememberRefusal(slot: usize, reset: bool, arrived: bool): void {
  remember(slot, answerOfRule(slot, reset, arrived));
}

/** The same of a packet that rules let through: the stack dropped it between PREROUTING and FORWARD, or does so behind INPUT. */
export function rememberEnd(slot: usize, looked: bool): void {
  const way = load<u32>(slot, PACKET_WAY);
  if (way >= <u32>WAY_LOST_INPUT) remember(slot, answerOfStack(slot));
  else if (way === WAY_INPUT && looked) remember(slot, answerOfDelivery(slot));
}

function remember(slot: usize, type: u32): void {
  // Of an answer that is refused in its turn, over lo, the kernel's answer is not looked for.
  const number = load<u64>(slot, PACKET_NUMBER);
  if (type === NO_ANSWER || number === answer) return;
  if (ring === 0) {
    ring = conntrackCarve(PLACE_SIZE * ANSWER_WITHIN);
    if (ring === 0) return;
  }
  const place = after(latest);
  store<u64>(place, 0, NUMBER);
  dropConnection(place + CONNECTION);
  if (!expectAnswer(slot, place + ANSWER, type)) return;
  keepConnection(slot, place + CONNECTION);
  store<u64>(place, number, NUMBER);
  store<u32>(place, load<u32>(slot, FIELD_IN_INTERFACE * 4), DEVICE);
  latest = place;
  answeredUntil = number + ANSWER_WITHIN;
}

function after(place: usize): usize {
  return place === 0 || place === ring + PLACE_SIZE * (ANSWER_WITHIN - 1) ? ring : place + PLACE_SIZE;
}

function before(place: usize): usize {
  return place === ring ? ring + PLACE_SIZE * (ANSWER_WITHIN - 1) : place - PLACE_SIZE;
}

/** The packet of this number was taken for an answer. */
export function isTakenAnswer(number: u64): bool {
  return number === answer;
}

/** A decoded and routed packet up to answeredUntil: if it is the answer to a refused one, to the latest that is not answered yet, it is the host's own and has that one's connection. */
export function takeAnswer(slot: usize): void {
  const unseen = load<u32>(slot, PACKET_UNSEEN);
  if ((unseen !== 0 && unseen !== UNSEEN_OUTGOING_COPY) || !mayBeOwn(slot)) return;
  const number = load<u64>(slot, PACKET_NUMBER);
  let place = latest;
  for (let i = 0; i < ANSWER_WITHIN; i++) {
    const refused = load<u64>(place, NUMBER);
    if (refused !== 0) {
      if (refused + ANSWER_WITHIN < number) return;
      if (isAnswer(slot, place + ANSWER, mtuOfAnswer(slot, load<u32>(place, DEVICE)))) {
        store<u64>(place, 0, NUMBER);
        leaveAsAnswer(slot, load<u32>(place, DEVICE));
        // It may have been found for another way.
        store<u32>(slot, 0, PACKET_EDGE);
        attachConnection(slot, place + CONNECTION);
        takeBackTranslation(slot, place + ANSWER);
        answer = number;
        addTo(CONTROL_ANSWERS, 1);
        return;
      }
    }
    place = before(place);
  }
}
