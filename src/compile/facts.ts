/** What the rules of all tables ask for, whether they can be reached or not: found in one pass over them. */
import { EFFECT_CT_TEMPLATE } from '../abi/effects.ts';
import { FIELD_DESTINATION_TYPE, FIELD_SOURCE_TYPE } from '../abi/fields.ts';
import { SPECIAL_ADDRTYPE_DEVICE } from '../abi/special.ts';
import type { Action, Test } from '../model/predicate.ts';
import type { PlainTable } from './plain.ts';

export type Effect = Extract<Action, { kind: 'effect' }>;

export class Facts {
  /** Some test looks at the type of an address. */
  readsAddressTypes = false;
  private readonly effects: Effect[] = [];
  private readonly specials = new Map<number, number>();

  constructor(tables: readonly PlainTable[]) {
    for (const { chains } of tables) {
      for (const { rules } of chains) {
        for (const { tests, action } of rules) {
          if (action.kind === 'effect') this.effects.push(action);
          // Not for-of: in code that runs for the first time it makes an object each time.
          for (let index = 0; index < tests.length; index++) this.see(tests[index]!);
        }
      }
    }
  }

  private see(test: Test): void {
    if (test.kind === 'special') this.specials.set(test.code, this.special(test.code) + 1);
    if (readsType(test)) this.readsAddressTypes = true;
  }

  /** How many tests of this special kind there are. */
  special(code: number): number {
    return this.specials.get(code) ?? 0;
  }

  someEffect(asked: (effect: Effect) => boolean): boolean {
    return this.effects.some(asked);
  }

  /** Whether a rule says how connections are to be tracked (CT), in a way that is asked for. */
  someTemplate(asked: (template: Effect) => boolean): boolean {
    return this.someEffect((effect) => effect.code === EFFECT_CT_TEMPLATE && asked(effect));
  }
}

const isType = (field: number): boolean => field === FIELD_SOURCE_TYPE || field === FIELD_DESTINATION_TYPE;

function readsType(test: Test): boolean {
  switch (test.kind) {
    case 'range':
    case 'mask':
      return isType(test.field);
    case 'ranges':
      return test.fields.some(isType);
    case 'special':
      return test.code === SPECIAL_ADDRTYPE_DEVICE;
    default:
      return false;
  }
}
