/** Why an image was refused. */
export type ImageFault =
  | 'truncated'
  | 'label'
  | 'version'
  | 'size'
  | 'checksum'
  | 'section'
  | 'names'
  | 'segments'
  | 'ropes'
  | 'events'
  | 'code'
  | 'host'
  | 'conntrack'
  | 'interfaces'
  | 'sets';

export class ImageError extends Error {
  readonly fault: ImageFault;

  constructor(fault: ImageFault, message: string) {
    super(message);
    this.name = 'ImageError';
    this.fault = fault;
  }
}
