#if MPI
  import ArgumentParser
  import Documents
  import Foundation
  import Reports
  import Training

  /// `sluice evaluate`: the loss of a checkpoint on data.
  struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "evaluate",
      abstract: "Say the loss and the perplexity of a checkpoint on data.",
      discussion: """
        The mean over all predicted tokens. A JSON file is a list of rows of token numbers, each a \
        sequence of its own; a .bin file holds tokens, anything else is text, both cut into windows. \
        Text is encoded by the checkpoint's own tokenizer, and tokens must have been.

        Example:
          sluice evaluate --checkpoint runs/mine/step-00000080 --tokens rows.json
          mpirun -np 2 sluice evaluate --checkpoint DIR --tokens val.bin --json
        """)

    @Option(help: "The checkpoint's folder.", completion: .directory)
    var checkpoint: String

    @Option(help: "The data.", completion: .file())
    var tokens: String

    @Option(
      help: "bytes, or a tokenizer.json, where neither the checkpoint nor the data say it.",
      completion: .file())
    var tokenizer: String?

    @Option(help: "Tokens that a window predicts; by default 1,024 or what the model takes.")
    var sequence: Int?

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func run() throws {
      if let sequence, !(1...1 << 24).contains(sequence) {
        throw CommandError("--sequence \(sequence): must be from 1 to 16,777,216")
      }
      try prepareProcessor()
      try withWorld { communicator in
        let (model, data) = try agreed(communicator) {
          let model = try CheckpointModel(path: checkpoint, tokenizer: tokenizer)
          let own = try model.tokenizers.tokenizer(of: tokens, form: .automatic)
          let data = try TokenData.open([tokens], tokenizer: own?.tokenizer ?? .bytes)
          if case .rows = data, sequence != nil {
            throw CommandError("--sequence has no effect on \(tokens): rows keep their own length")
          }
          return (model, (tokens: data, tokenizer: own))
        }
        let length = sequence ?? min(1024, model.architecture.maximumPositions)
        let start = ContinuousClock.now
        let result = try model.evaluate(data.tokens, sequenceLength: length, communicator)
        guard communicator.rank == 0 else { return }
        try display(
          result,
          EvaluationInputs(
            model: model.architecture.name, checkpoint: checkpoint, tokens: tokens,
            tokenizer: data.tokenizer?.name, sequenceTokens: length, ranks: communicator.size),
          seconds: (ContinuousClock.now - start) / .seconds(1))
      }
    }

    private func display(
      _ result: Evaluation, _ inputs: EvaluationInputs, seconds: Double
    ) throws {
      let perplexity = exp(result.loss)
      if json {
        let figures = Figures(
          loss: result.loss, perplexity: perplexity, tokens: result.tokens,
          sequences: result.sequences, seconds: seconds, inputs: inputs)
        return try show(try jsonText(figures))
      }
      var table = TextTable([.left])
      table.add("loss", String(format: "%.6f", result.loss))
      table.add("perplexity", String(format: "%.4f", perplexity))
      table.add("predicted tokens", grouped(result.tokens))
      table.add("sequences", grouped(result.sequences))
      table.add("tokenizer", inputs.tokenizer ?? "not known")
      try show(table.text())
    }

    private struct Figures: Encodable {
      var loss: Double
      var perplexity: Double
      var tokens: Int
      var sequences: Int
      /// Wall time of the evaluation, reading of the checkpoint's weights included.
      var seconds: Double
      var inputs: EvaluationInputs
    }

    /// What the figures were computed from.
    private struct EvaluationInputs: Encodable {
      var version = Version.current
      var model: String
      /// The folder and the file as they were given.
      var checkpoint: String
      var tokens: String
      /// Nil where nothing says by which tokenizer the tokens were made.
      var tokenizer: String?
      /// Tokens that a window predicts; rows of a JSON file keep their own length.
      var sequenceTokens: Int
      var ranks: Int
    }
  }
#endif
