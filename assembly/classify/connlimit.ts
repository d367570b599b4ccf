/** connlimit (xt_connlimit.c); parameters as abi/special.ts lists them. `rule`: the place of its state, which is its name. */
import { CONTROL_JIFFY_EDGES } from '../../src/abi/control.ts';
import { FIELD_DESTINATION, FIELD_SOURCE } from '../../src/abi/fields.ts';
import { PACKET_NUMBER } from '../../src/abi/packet.ts';
import { TEST_HIT, TEST_HOTDROP, TEST_MISS } from '../../src/abi/special.ts';
import { countConnections, countedOtherwise } from '../conntrack/index';
import { tallyFirst } from '../tally.ts';

const LIMIT: usize = 0;
const ABOVE: usize = 4;
const SIDE: usize = 8;
const MASK: usize = 12;
const SETTLED: usize = 28;

/** The address with which the packet is counted: four words. */
const ADDRESS: usize = memory.data(16, 16);

export function connectionLimit(parameters: usize, rule: u32, slot: usize): u32 {
  const from = slot + (load<u32>(parameters, SIDE) === 0 ? FIELD_SOURCE * 4 : FIELD_DESTINATION * 4);
  for (let word: usize = 0; word < 16; word += 4) {
    store<u32>(ADDRESS + word, load<u32>(from + word) & load<u32>(parameters + MASK + word));
  }
  const count = countConnections(slot, rule, ADDRESS, load<u32>(parameters, SETTLED));
  const answer = answerTo(count, parameters);
  if (countedOtherwise !== count && answerTo(countedOtherwise, parameters) !== answer) {
    tallyFirst(CONTROL_JIFFY_EDGES, load<u64>(slot, PACKET_NUMBER));
  }
  return answer;
}

function answerTo(count: u32, parameters: usize): u32 {
  if (count === 0) return TEST_HOTDROP;
  return count > load<u32>(parameters, LIMIT) === (load<u32>(parameters, ABOVE) !== 0) ? TEST_HIT : TEST_MISS;
}
