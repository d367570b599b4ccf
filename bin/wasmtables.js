#!/usr/bin/env node
import { main } from '../dist/joined/main.js';

process.exitCode = await main(process.argv);
