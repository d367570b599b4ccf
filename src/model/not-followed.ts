/** What the kernel does beside the way of the packets in hand, and a replay does not follow. */

/** Whether any packet was one of a kind. */
export interface NotFollowed {
  /** DCCP, tracked as by kernels that know nothing of it. */
  dccp: boolean;
  /** This host sent to a group that the device has joined. */
  toGroups: boolean;
  /** IPv6 fragments over lo, put together in OUTPUT. */
  loopedParts: boolean;
}

/** Notes of a result. */
export function notFollowedNotes({ dccp, toGroups, loopedParts }: NotFollowed): string[] {
  return [
    ...(dccp ? ['DCCP was tracked by addresses only; kernels before 6.18 have ports and states for it'] : []),
    ...(loopedParts
      ? [
          'IPv6 fragments over lo met INPUT as one packet: the kernel cuts it again behind POSTROUTING and lets the parts arrive one by one, this replay does not',
        ]
      : []),
    ...(toGroups
      ? [
          'this host sent to a group it joined: whether the kernel delivered a copy to itself is up to the sender (IP_MULTICAST_LOOP); this replay has none',
        ]
      : []),
  ];
}
