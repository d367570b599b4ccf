/** From a record to its IP header: one link layer a file; what is not IP ends here. */
import {
  LINK_ETHERNET,
  LINK_IPV4,
  LINK_IPV6,
  LINK_LOOP,
  LINK_NULL,
  LINK_RAW,
  LINK_RAW_12,
  LINK_RAW_14,
  LINK_SLL,
  LINK_SLL2,
} from '../../src/abi/capture.ts';
import { FIELD_CT_STATE, FIELD_MAC_HIGH, FIELD_MARK, FIELD_PACKET_TYPE } from '../../src/abi/fields.ts';
import {
  PACKET_CAPTURED,
  PACKET_CT_ENTRY,
  PACKET_DATA,
  PACKET_ETHERTYPE,
  PACKET_INVALID,
  PACKET_LINKTYPE,
  PACKET_UNSEEN,
  PACKET_WAY,
} from '../../src/abi/packet.ts';
import { UNSEEN_LINK_TRUNCATED, UNSEEN_LINKTYPE, UNSEEN_NOT_IP } from '../../src/abi/reasons.ts';
import { judgeFrame } from '../stack/frame.ts';
import { ETHERNET_HEADER, ethernet } from './ethernet.ts';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, network } from './ethertype.ts';
import { nullLoop } from './null.ts';
import { sll, sll2 } from './sll.ts';

/**
 * Sets PACKET_IP, IP_CAPTURED, ETHERTYPE (0: the version nibble decides), ETHERNET, PACKET_TYPE, MAC and what the link layer says about the
 * direction, or PACKET_UNSEEN. Clears what later rooms fill.
 */
export function decodeLink(slot: usize): void {
  clear(slot);
  const at: usize = load<u32>(slot, PACKET_DATA);
  const end = at + load<u32>(slot, PACKET_CAPTURED);
  const linktype = load<u32>(slot, PACKET_LINKTYPE);
  if (linktype === <u32>LINK_ETHERNET && end - at >= ETHERNET_HEADER) {
    ethernet(slot, at, end);
  } else {
    clearFrame(slot);
    other(slot, linktype, at, end);
  }
  if (load<u32>(slot, PACKET_UNSEEN) === 0) judgeFrame(slot, load<u32>(slot, PACKET_ETHERTYPE));
}

function other(slot: usize, linktype: u32, at: usize, end: usize): void {
  switch (linktype) {
    case LINK_ETHERNET:
      linkTruncated(slot);
      return;
    case LINK_RAW:
    case LINK_RAW_12:
    case LINK_RAW_14:
      network(slot, 0, at, end);
      return;
    case LINK_IPV4:
      network(slot, ETHERTYPE_IPV4, at, end);
      return;
    case LINK_IPV6:
      network(slot, ETHERTYPE_IPV6, at, end);
      return;
    case LINK_NULL:
    case LINK_LOOP:
      nullLoop(slot, at, end, linktype === <u32>LINK_LOOP);
      return;
    case LINK_SLL:
      sll(slot, at, end);
      return;
    case LINK_SLL2:
      sll2(slot, at, end);
      return;
    default:
      store<u32>(slot, UNSEEN_LINKTYPE, PACKET_UNSEEN);
  }
}

function clear(slot: usize): void {
  // Unseen, stack; invalid, Ethernet.
  store<u64>(slot, 0, PACKET_UNSEEN);
  store<u64>(slot, 0, PACKET_INVALID);
  store<u64>(slot, 0, PACKET_CT_ENTRY);
  store<u32>(slot, 0, PACKET_WAY);
  // Connection state, direction, status, mark.
  store<u64>(slot, 0, FIELD_CT_STATE * 4);
  store<u64>(slot, 0, (FIELD_MARK - 1) * 4);
}

/** Ethernet sets these in any case. */
function clearFrame(slot: usize): void {
  store<u32>(slot, 0, FIELD_PACKET_TYPE * 4);
  store<u64>(slot, 0, FIELD_MAC_HIGH * 4);
}

/** The link layer header is cut or impossible. */
export function linkTruncated(slot: usize): void {
  store<u32>(slot, UNSEEN_LINK_TRUNCATED, PACKET_UNSEEN);
}

export function notIp(slot: usize): void {
  store<u32>(slot, UNSEEN_NOT_IP, PACKET_UNSEEN);
}
