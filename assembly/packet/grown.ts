/** Where a packet is that has grown on its way, for there is no room for that in the input: one at a time. */
export const GROWN: usize = memory.data(65600, 16);
