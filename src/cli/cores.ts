/** How many cores there are for this process. Node only; a file of its own, for node:os takes time to load and few replays ask. */
import { availableParallelism } from 'node:os';

export const coresThere = (): number => availableParallelism();
