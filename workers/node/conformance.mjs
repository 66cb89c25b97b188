// What `infinitas conformance` tries a client with.

import { serve } from "./client.mjs";

serve({
  "conformance.echo": { options: {}, run: async (job, ...args) => args },
  "conformance.fail": {
    options: {},
    run: async () => {
      throw new Error("as asked");
    },
  },
  "conformance.wait": { options: {}, run: (job) => job.sleep(600_000) },
});
