/// Run files that tests of several rooms read.
package enum SampleRun {
  /// One that says nearly everything, on a `model.json` and a `rows.json` beside it.
  package static let complete = """
    name: trial
    seed: 7
    model:
      config: model.json
      multi-token-prediction:
        - {value: 0.3, until: 64 tokens}
        - {value: 0.1}
      balance-loss: 0.001
      bias-speed: 0.01
    data:
      training: rows.json
      evaluation: rows.json
    plan:
      data-parallel: 2
      pipeline-parallel: 2
      expert-parallel: 2
      microbatch-size: 1
      global-batch: 8
      sequence-length: 4
      zero-stage: 1
    batch-ramp: {from: 4, increment: 4, over: 8 sequences}
    optimizer: {betas: [0.8, 0.99], epsilon: 1e-6, weight-decay: 0.2, decay: all, clip: 0.5}
    learning-rate: {peak: 0.01, warm-up: 2, schedule: cosine, final: 0.001}
    steps: 10
    evaluation: {every: 5, sequences: 3}
    checkpoints: {folder: out, every: 4, keep: 3}
    log: {file: out.jsonl, every: 2}
    """
}
