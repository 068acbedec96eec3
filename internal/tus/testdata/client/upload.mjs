// Uploads files with the reference client. Standard input: {endpoint, files: [{path,
// name}], chunkSize, together (data with the creation), retries, terminate}. Standard
// output: one JSON line per file: {url, retries} or {error}.
import { createReadStream, readFileSync } from 'node:fs'
import { Upload } from 'tus-js-client'

const job = JSON.parse(readFileSync(0, 'utf8'))

function upload(file) {
  return new Promise((resolve) => {
    let retries = 0
    const u = new Upload(createReadStream(file.path), {
      endpoint: job.endpoint,
      chunkSize: job.chunkSize || Infinity,
      uploadSize: file.size,
      uploadDataDuringCreation: Boolean(job.together),
      retryDelays: Array(job.retries || 0).fill(1),
      metadata: { filename: file.name, filetype: 'application/dicom' },
      onShouldRetry: () => { retries++; return true },
      onError: (e) => resolve({ error: String(e.message), status: e.originalResponse?.getStatus() ?? 0 }),
      onSuccess: async () => {
        if (job.terminate) await u.abort(true)
        resolve({ url: u.url, retries })
      },
    })
    u.start()
  })
}

for (const file of job.files) {
  console.log(JSON.stringify(await upload(file)))
}
