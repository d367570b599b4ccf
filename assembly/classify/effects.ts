/** What targets do with a packet and its connection; parameters as abi/effects.ts lists them. */
import {
  EFFECT_CONNMARK_RESTORE,
  EFFECT_CONNMARK_SAVE,
  EFFECT_CONNMARK_SET,
  EFFECT_CT_TEMPLATE,
  EFFECT_LOG,
  EFFECT_QUEUED,
  EFFECT_SET,
  EFFECT_SHIFT_RIGHT,
  EFFECT_TPROXY,
  EFFECT_TTL,
} from '../../src/abi/effects.ts';
import { FIELD_MARK } from '../../src/abi/fields.ts';
import { STATE_SIZE } from '../../src/abi/image.ts';
import { PACKET_CT_ENTRY } from '../../src/abi/packet.ts';
import { STEP_EFFECT_FIRST, STEP_EFFECT_REST } from '../../src/abi/program.ts';
import { conntrackMark, conntrackTemplate, entryMark } from '../conntrack/index';
import { logPacket } from '../log.ts';
import { changeSets } from '../sets/change.ts';
import { code as codeSection, states } from './program.ts';
import { rewrite } from './rewrite.ts';
import { passesTproxy } from './tproxy.ts';

/** A rule sent the packet through a queue: the hook does nothing with it any more. Whoever asks clears it before. */
export let queued: bool = false;

export function clearQueued(): void {
  queued = false;
}

/** `step` is a STEP_EFFECT with effect `code`. False when it drops the packet. */
export function runEffect(code: u32, step: usize, slot: usize): bool {
  if (code === EFFECT_TPROXY) return passesTproxy(codeSection + (load<u32>(step, STEP_EFFECT_FIRST) as usize), slot);
  if (code >= <u32>EFFECT_TTL) return rewrite(code, step, slot);
  if (code === EFFECT_CT_TEMPLATE) template(step, slot);
  else if (code === EFFECT_LOG) logPacket(load<u32>(step, STEP_EFFECT_FIRST), slot);
  else if (code === EFFECT_QUEUED) queued = true;
  else if (code === EFFECT_SET) changeSets(codeSection + (load<u32>(step, STEP_EFFECT_FIRST) as usize), slot);
  else changeMark(code, step, slot);
  return true;
}

function template(step: usize, slot: usize): void {
  const zone = load<u32>(step, STEP_EFFECT_FIRST);
  const state = states + (load<u32>(step, STEP_EFFECT_REST + 8) as usize) * STATE_SIZE;
  conntrackTemplate(slot, zone, load<u32>(step, STEP_EFFECT_REST), load<u32>(step, STEP_EFFECT_REST + 4), state);
}

function changeMark(code: u32, step: usize, slot: usize): void {
  const entry: usize = load<u32>(slot, PACKET_CT_ENTRY);
  if (entry === 0) return;
  const first = load<u32>(step, STEP_EFFECT_FIRST);
  const second = load<u32>(step, STEP_EFFECT_REST);
  const shift = load<u32>(step, STEP_EFFECT_REST + 4);
  const mark = entryMark(entry);
  const packet = load<u32>(slot, FIELD_MARK * 4);
  if (code === EFFECT_CONNMARK_SET) conntrackMark(entry, shifted((mark & ~second) ^ first, shift));
  else if (code === EFFECT_CONNMARK_SAVE) conntrackMark(entry, (mark & ~first) ^ shifted(packet & second, shift));
  else if (code === EFFECT_CONNMARK_RESTORE) store<u32>(slot, (packet & ~second) ^ shifted(mark & first, shift), FIELD_MARK * 4);
}

function shifted(value: u32, shift: u32): u32 {
  return shift >= <u32>EFFECT_SHIFT_RIGHT ? value >>> (shift & 31) : value << (shift & 31);
}
