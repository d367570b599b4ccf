/** Numbers of the connection tracking helpers. Import-free. */
export const HELPER_NONE = 0;
export const HELPER_FTP = 1;
export const HELPER_TFTP = 2;
export const HELPER_IRC = 3;
export const HELPER_SANE = 4;
export const HELPER_AMANDA = 5;
export const HELPER_NETBIOS_NS = 6;
export const HELPER_SNMP = 7;
export const HELPER_PPTP = 8;
export const HELPER_SIP = 9;
export const HELPER_RAS = 10;
export const HELPER_Q931 = 11;
export const HELPER_H245 = 12;
export const HELPER_SNMP_TRAP = 13;
