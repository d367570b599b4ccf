// npm run build: the engine and the host code, whichever is older than its sources.
import { build, install } from './ready.mjs';

install();
build();
