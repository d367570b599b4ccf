declare module 'pcap-parser' {
  interface Parser {
    on(event: 'globalHeader', listener: (header: { linkLayerType: number; snapshotLength: number }) => void): this;
    on(
      event: 'packetHeader',
      listener: (header: {
        timestampSeconds: number;
        timestampMicroseconds: number;
        capturedLength: number;
        originalLength: number;
      }) => void,
    ): this;
    on(event: 'packetData', listener: (data: Uint8Array) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'end', listener: () => void): this;
  }
  const pcapParser: { parse(input: unknown): Parser };
  export default pcapParser;
}
