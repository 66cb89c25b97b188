// A worker in plain Node.js:
//
//   INFINITAS_SERVER=ws://127.0.0.1:3000 INFINITAS_TOKEN=inf_… node workers/node/worker.mjs

import { serve } from "./client.mjs";

serve({
  // Makes a thumbnail, or rather says that it did.
  thumbnail: {
    options: { timeout: 60, retries: 2 },
    async run(job, picture, { width = 200 } = {}) {
      job.log(`scaling ${picture} to ${width} px`);
      for (let step = 1; step <= 4; step++) {
        await job.sleep(250); // ends early when the job is cancelled
        job.progress(step / 4, `part ${step} of 4`);
      }
      return { file: `${picture}@${width}.webp` };
    },
  },
  // Answers with what it was given.
  echo: { options: {}, run: async (job, ...args) => args },
});
