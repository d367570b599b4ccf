/** The running kernel as a witness. See job.ts for what is asked and answered. */
export { type Availability, available } from './available.ts';
export { type KernelBench, openKernelBench, runKernel } from './bench.ts';
export { type Compared, type ComparedPacket, comparedKernel, comparedWitness, compareOutcomes } from './compare.ts';
export { type ByteRange, type ExpectedLeft, expectedLeft, leftDifference } from './expected-left.ts';
export { type CapturedFrame, type CaptureFrames, framesFromCapture } from './from-capture.ts';
export { type HostedJob, jobFromHost } from './from-host.ts';
export {
  KernelError,
  type KernelFrame,
  type KernelIdentity,
  type KernelJob,
  type KernelOutcome,
  type KernelPacket,
} from './job.ts';
