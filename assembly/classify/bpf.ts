/** bpf: a classic BPF program over the IP packet (xt_bpf.c, net/core/filter.c). Its jumps lead forwards, so it ends. */
import { FIELD_LENGTH } from '../../src/abi/fields.ts';
import { PACKET_IP } from '../../src/abi/packet.ts';
import { be16 } from '../packet/ethertype.ts';
import { be32, present } from './payload.ts';

/** Sixteen memory cells. */
const cells: usize = memory.data(64);
const RETURN_K: u32 = 0x06;
const JUMP: u32 = 0x05;
const TAX: u32 = 0x07;
const ABSOLUTE: u32 = 0x20;
const BEHIND_X: u32 = 0x40;
const MEMORY: u32 = 0x60;
const LENGTH: u32 = 0x80;
const HEADER: u32 = 0xa0;

/** A load or a division that failed. */
let failed: bool = false;

/** Parameters: number of instructions, then code | jt << 16 | jf << 24 and k of each. */
export function bpfHolds(parameters: usize, slot: usize): bool {
  failed = false;
  let a: u32 = 0;
  let x: u32 = 0;
  let at = parameters + 4;
  while (!failed) {
    const head = load<u32>(at);
    const k = load<u32>(at, 4);
    const code = head & 0xffff;
    const operand = (code & 8) !== 0 ? x : k;
    at += 8;
    switch (code & 7) {
      case 0:
        a = loaded(code, k, x, slot);
        break;
      case 1:
        x = loaded(code, k, x, slot);
        break;
      case 2:
        store<u32>(cells + ((k as usize) << 2), a);
        break;
      case 3:
        store<u32>(cells + ((k as usize) << 2), x);
        break;
      case 4:
        a = computed(code & 0xf0, a, operand);
        break;
      case 5: {
        const over = code === JUMP ? k : conditionHolds(code & 0xf0, a, operand) ? (head >>> 16) & 255 : head >>> 24;
        at += (over as usize) << 3;
        break;
      }
      case 6:
        return (code === RETURN_K ? k : a) !== 0;
      default:
        if (code === TAX) x = a;
        else a = x;
    }
  }
  return false;
}

function loaded(code: u32, k: u32, x: u32, slot: usize): u32 {
  const mode = code & 0xe0;
  if (mode === MEMORY) return load<u32>(cells + ((k as usize) << 2));
  if (mode === LENGTH) return load<u32>(slot, FIELD_LENGTH * 4);
  if (mode !== ABSOLUTE && mode !== BEHIND_X && mode !== HEADER) return k;
  const offset = mode === BEHIND_X ? x + k : k;
  const size: u32 = (code & 0x10) !== 0 ? 1 : (code & 0x08) !== 0 ? 2 : 4;
  if ((offset as u64) + (size as u64) > (present(slot) as u64)) {
    failed = true;
    return 0;
  }
  const from: usize = load<u32>(slot, PACKET_IP) + offset;
  if (mode === HEADER) return ((load<u8>(from) as u32) & 15) << 2;
  if (size === 4) return be32(from);
  return size === 2 ? be16(from) : (load<u8>(from) as u32);
}

function computed(operation: u32, a: u32, operand: u32): u32 {
  switch (operation) {
    case 0x00:
      return a + operand;
    case 0x10:
      return a - operand;
    case 0x20:
      return a * operand;
    case 0x30:
    case 0x90:
      if (operand === 0) {
        failed = true;
        return 0;
      }
      return operation === 0x30 ? a / operand : a % operand;
    case 0x40:
      return a | operand;
    case 0x50:
      return a & operand;
    case 0x60:
      return a << (operand & 31);
    case 0x70:
      return a >>> (operand & 31);
    case 0x80:
      return 0 - a;
    default:
      return a ^ operand;
  }
}

function conditionHolds(condition: u32, a: u32, operand: u32): bool {
  if (condition === 0x10) return a === operand;
  if (condition === 0x20) return a > operand;
  return condition === 0x30 ? a >= operand : (a & operand) !== 0;
}
