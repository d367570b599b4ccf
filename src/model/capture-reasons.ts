/** The words for DAMAGE_* of abi/capture.ts, in the same order. */
export const DAMAGE_WORDS = [
  '',
  'not a pcap or pcapng file',
  'a version of the format that is not supported',
  'the file ends inside a record or block',
  'a record claims more than 262144 captured bytes',
  'impossible block length',
  'the length behind the block differs from the one before it',
  'bad byte-order magic',
  'a packet or interface block of more than 1 MiB',
  'more captured bytes than the block holds',
  'a packet of an interface that was not described',
  'more than 1024 interfaces in a section',
] as const;
