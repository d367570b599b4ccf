/** Down the tree: from a walk's root to the edge that the packet's static fields lead to. */
import { NODE_BINARY_SIZE, NODE_TABLE, NODE_TABLE_CHILDREN, NODE_TABLE_CLASSES, REF_EDGE } from '../../src/abi/program.ts';

/** The edge as an offset from the code, which is at `base`. */
export function descend(base: usize, root: u32, slot: usize): u32 {
  let reference = root;
  while ((reference & REF_EDGE) === 0) reference = child(base + (reference as usize), slot);
  return reference ^ REF_EDGE;
}

/** What the packet's value of the node's field leads to. */
export function child(node: usize, slot: usize): u32 {
  const head = load<u32>(node);
  if ((head & NODE_TABLE) !== 0) {
    const kind = load<u8>(node + (load<u8>(slot + ((head ^ NODE_TABLE) as usize)) as usize), NODE_TABLE_CLASSES) as usize;
    return load<u32>(node + (kind << 2), NODE_TABLE_CHILDREN);
  }
  const above = (load<u32>(slot + (head as usize)) > load<u32>(node, 4)) as usize;
  return load<u32>(node + (above << 2), NODE_BINARY_SIZE - 8);
}
