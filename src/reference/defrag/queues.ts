/** All queues of one family: found by key, given up when their time is over, no more of them than the memory allows (net/ipv4/inet_fragment.c of 6.18). */
import type { Family } from '../../model/ruleset.ts';
import { fragmentMemory, QUEUE_MEMORY } from './memory.ts';
import { type Fate, type Fragment, FragmentQueue } from './queue.ts';

export interface QueueLimits {
  /** Jiffies. */
  lifetime: number;
  /** Bytes (high_thresh). */
  memory: number;
}

export class FragmentQueues {
  /** In the order they were made, which is that of their timers. */
  readonly #queues = new Map<string, FragmentQueue>();
  readonly #family: Family;
  readonly #limits: QueueLimits;
  #memory = 0;

  constructor(family: Family, limits: QueueLimits) {
    this.#family = family;
    this.#limits = limits;
  }

  /** The queue of this key, made when there is none; `now`, in jiffies, never goes back. null when the memory is used up: then nothing is taken, not even for queues that are there. */
  find(key: string, now: number): FragmentQueue | null {
    this.#expire(now);
    if (this.#limits.memory === 0 || this.#memory > this.#limits.memory) return null;
    return this.#queues.get(key) ?? this.#make(key, now);
  }

  /** Whether a queue of this key holds something at `now`. */
  holds(key: string, now: number): boolean {
    this.#expire(now);
    return (this.#queues.get(key)?.fragments.length ?? 0) > 0;
  }

  /** An empty queue in the place of this one, with a new timer. */
  restart(queue: FragmentQueue, now: number): FragmentQueue {
    this.remove(queue, 'discarded');
    return this.#make(queue.key, now);
  }

  insert(queue: FragmentQueue, fragment: Fragment, mark: number): ReturnType<FragmentQueue['insert']> {
    const result = queue.insert(fragment, mark);
    if (result === 'inserted') this.#memory += fragmentMemory(fragment.received.length);
    return result;
  }

  remove(queue: FragmentQueue, fate: Fate): void {
    queue.fate = fate;
    this.#queues.delete(queue.key);
    this.#memory -= QUEUE_MEMORY[this.#family];
    for (const { received } of queue.fragments) this.#memory -= fragmentMemory(received.length);
  }

  #expire(now: number): void {
    for (const queue of this.#queues.values()) {
      if (!this.#isOver(queue, now)) return;
      this.remove(queue, 'timed out');
    }
  }

  #make(key: string, now: number): FragmentQueue {
    const queue = new FragmentQueue(key, now);
    this.#queues.set(key, queue);
    this.#memory += QUEUE_MEMORY[this.#family];
    return queue;
  }

  /** The kernel's timers never fire early, and late by as much as the phase of jiffies wants (the timer wheel: up to 512 jiffies); here they fire at once. */
  #isOver({ started }: FragmentQueue, now: number): boolean {
    return now - started > this.#limits.lifetime;
  }
}
