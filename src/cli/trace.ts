/** placeholder */
import { Command } from 'commander';
export const traceCommand = (_done: (code: number) => void): Command => new Command('trace');
