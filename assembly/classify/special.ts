/** Tests that are more than a comparison of fields; parameters as abi/special.ts lists them. */
import { STATE_SIZE } from '../../src/abi/image.ts';
import {
  SET_INVERT,
  SPECIAL_ACCOUNT,
  SPECIAL_ADDRTYPE_DEVICE,
  SPECIAL_CLUSTER,
  SPECIAL_CONNBYTES,
  SPECIAL_CONNLABEL,
  SPECIAL_CONNLIMIT,
  SPECIAL_CONNMARK,
  SPECIAL_CONNTRACK,
  SPECIAL_HASHLIMIT,
  SPECIAL_HELPER,
  SPECIAL_LIMIT,
  SPECIAL_LIMIT_NFT,
  SPECIAL_LISTED,
  SPECIAL_LISTED_BY_WAY,
  SPECIAL_NTH,
  SPECIAL_PACKET_TYPE,
  SPECIAL_QUOTA,
  SPECIAL_RANDOM,
  SPECIAL_RATE_COMPARE,
  SPECIAL_RATE_COUNT,
  SPECIAL_RATE_KEEP,
  SPECIAL_RECENT,
  SPECIAL_REVERSE_PATH,
  SPECIAL_SCTP_CHUNKS,
  SPECIAL_SET,
  SPECIAL_TCP_OPTION,
  TEST_HIT,
  TEST_MISS,
} from '../../src/abi/special.ts';
import { isInSet } from '../sets/table.ts';
import { addressTypes } from './addrtype.ts';
import { byteTest } from './bytes.ts';
import { hasPacketType, isOfNode } from './cluster.ts';
import { connectionBytes, connectionLabel } from './connection-extras.ts';
import { connectionLimit } from './connlimit.ts';
import { connection, connectionMark, masterHelper } from './conntrack.ts';
import { hashlimit } from './hashlimit.ts';
import { limitLegacy, limitNft } from './limit.ts';
import { listed, listedByWay } from './listed.ts';
import { states } from './program.ts';
import { compareRates, countPacket, keepRates } from './rateest.ts';
import { recent } from './recent.ts';
import { reversePath } from './reverse-path.ts';
import { sctpChunks } from './sctp.ts';
import { account, atRandom, everyNth, withinQuota } from './statistic.ts';
import { tcpOption } from './tcp.ts';

/** `test` is a SPECIAL test. An unknown code never matches; the loader refuses images that hold one. */
export function runSpecial(test: usize, slot: usize): u32 {
  const code = load<u32>(test, 4);
  const parameters = test + 16;
  const state = states + (load<u32>(test, 8) as usize) * STATE_SIZE;
  switch (code) {
    case SPECIAL_TCP_OPTION:
      return tcpOption(parameters, slot);
    case SPECIAL_CONNTRACK:
      return answer(connection(parameters, slot));
    case SPECIAL_SCTP_CHUNKS:
      return sctpChunks(parameters, slot);
    case SPECIAL_CLUSTER:
      return answer(isOfNode(parameters, slot));
    case SPECIAL_PACKET_TYPE:
      return answer(hasPacketType(parameters, slot));
    case SPECIAL_CONNBYTES:
      return answer(connectionBytes(parameters, slot));
    case SPECIAL_CONNLABEL:
      return answer(connectionLabel(parameters, slot));
    case SPECIAL_CONNLIMIT:
      return connectionLimit(parameters, load<u32>(test, 8), slot);
    case SPECIAL_CONNMARK:
      return answer(connectionMark(parameters, slot));
    case SPECIAL_HELPER:
      return answer(masterHelper(parameters, slot));
    case SPECIAL_LIMIT:
      return answer(limitLegacy(parameters, state, slot));
    case SPECIAL_LIMIT_NFT:
      return answer(limitNft(parameters, state));
    case SPECIAL_ADDRTYPE_DEVICE:
      return answer(addressTypes(parameters, slot));
    case SPECIAL_NTH:
      return answer(everyNth(parameters, state));
    case SPECIAL_RANDOM:
      return answer(atRandom(parameters, state));
    case SPECIAL_QUOTA:
      return answer(withinQuota(parameters, state, slot));
    case SPECIAL_HASHLIMIT:
      return hashlimit(parameters, state, slot);
    case SPECIAL_SET:
      return answer(isInSet(parameters, slot) !== ((load<u32>(parameters, 4) & SET_INVERT) !== 0));
    case SPECIAL_RECENT:
      return answer(recent(parameters, state, slot));
    case SPECIAL_ACCOUNT:
      return answer(account(state, slot));
    case SPECIAL_RATE_COUNT:
      return answer(countPacket(parameters, state, slot));
    case SPECIAL_RATE_KEEP:
      return answer(keepRates(parameters, state, slot));
    case SPECIAL_RATE_COMPARE:
      return answer(compareRates(parameters, state, slot));
    case SPECIAL_LISTED:
      return answer(listed(parameters, slot));
    case SPECIAL_LISTED_BY_WAY:
      return answer(listedByWay(parameters, slot));
    case SPECIAL_REVERSE_PATH:
      return answer(reversePath(parameters, slot));
    default:
      return byteTest(code, parameters, slot);
  }
}

function answer(holds: bool): u32 {
  return holds ? TEST_HIT : TEST_MISS;
}
