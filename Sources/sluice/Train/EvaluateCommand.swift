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
        sequence of its own; a .bin file holds tokens, anything else is text, both cut into windows.

        Example:
          sluice evaluate --checkpoint runs/tiny-gpt2/step-00000080 --tokens rows.json --json
          mpirun -np 2 sluice evaluate --checkpoint runs/tiny-gpt2/step-00000080 --tokens val.bin
        """)

    @Option(help: "The checkpoint's folder.", completion: .directory)
    var checkpoint: String

    @Option(help: "The data.", completion: .file())
    var tokens: String

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
          let model = try CheckpointModel(path: checkpoint)
          return (model, try TokenData.open([tokens], tokenizer: model.tokenizer))
        }
        let length = sequence ?? min(1024, model.architecture.maximumPositions)
        let result = try model.evaluate(data, sequenceLength: length, communicator)
        guard communicator.rank == 0 else { return }
        try display(
          result,
          EvaluationInputs(
            model: model.architecture.name, checkpoint: checkpoint, tokens: tokens,
            sequenceTokens: length, ranks: communicator.size))
      }
    }

    private func display(_ result: Evaluation, _ inputs: EvaluationInputs) throws {
      let perplexity = exp(result.loss)
      if json {
        let figures = Figures(
          loss: result.loss, perplexity: perplexity, tokens: result.tokens,
          sequences: result.sequences, inputs: inputs)
        return try show(try jsonText(figures))
      }
      var table = TextTable([.left])
      table.add("loss", String(format: "%.6f", result.loss))
      table.add("perplexity", String(format: "%.4f", perplexity))
      table.add("predicted tokens", grouped(result.tokens))
      table.add("sequences", grouped(result.sequences))
      try show(table.text())
    }

    private struct Figures: Encodable {
      var loss: Double
      var perplexity: Double
      var tokens: Int
      var sequences: Int
      var inputs: EvaluationInputs
    }

    /// What the loss was computed from.
    private struct EvaluationInputs: Encodable {
      var version = Version.current
      var model: String
      /// The folder and the file as they were given.
      var checkpoint: String
      var tokens: String
      /// Tokens that a window predicts; rows of a JSON file keep their own length.
      var sequenceTokens: Int
      var ranks: Int
    }
  }
#endif
