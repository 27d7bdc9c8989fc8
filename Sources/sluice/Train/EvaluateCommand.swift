#if MPI
  import ArgumentParser
  import Documents
  import Foundation
  import Reports
  import Tokens
  import Training

  /// `sluice evaluate`: the loss of a checkpoint on data, or the answers of several to a suite.
  struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "evaluate",
      abstract: "Say the loss of a checkpoint on data, or compare models by tasks.",
      discussion: """
        The mean over all predicted tokens. A JSON file is a list of rows of token numbers, each a \
        sequence of its own; a .bin file holds tokens, anything else is text, both cut into windows. \
        Text is encoded by the checkpoint's own tokenizer, and tokens must have been.

        With --suite rules, models answer questions that a seed makes and a program grades: reasoning, \
        tables, structured data, copying, language. Said are the share of right answers (pass@1), of \
        questions whose most frequent answer is right (maj@k), of answers in the form asked for, their \
        length, and tokens for each right one; shares with intervals of 95 % over questions. \
        --prompts writes the questions for models that live elsewhere, and --answers grades what came back.

        Example:
          sluice evaluate --checkpoint runs/mine/step-00000080 --tokens rows.json
          mpirun -np 2 sluice evaluate --checkpoint DIR --tokens val.bin --json
          sluice evaluate --suite rules --checkpoint runs/a --checkpoint runs/b
        """)

    @Option(
      name: .customLong("checkpoint"),
      help: """
        The checkpoint's folder, or a run's, of which the newest is taken; of a suite, may be repeated.
        """, completion: .directory)
    var checkpoints: [String] = []

    @Option(help: "The data.", completion: .file())
    var tokens: String?

    @Option(
      help: "bytes, or a tokenizer.json, where neither the checkpoint nor the data say it.",
      completion: .file())
    var tokenizer: String?

    @Option(help: "Tokens that a window predicts; by default 1,024 or what the model takes.")
    var sequence: Int?

    @Flag(help: "Print the figures as JSON.")
    var json = false

    @OptionGroup(title: "A suite")
    var suite: SuiteOptions

    @OptionGroup var reporting: ReportOptions

    func run() throws {
      guard suite.name == nil else {
        try refuse(
          [("--tokens", tokens != nil), ("--sequence", sequence != nil)], beside: "--suite")
        return try suite.run(
          checkpoints: checkpoints, tokenizer: tokenizer, json: json, reporting)
      }
      if let (name, _) = suite.others.first(where: { $0.1 }) {
        throw CommandError("\(name) has no effect without --suite")
      }
      guard let checkpoint = checkpoints.first, let tokens else {
        throw CommandError("give --checkpoint and --tokens, or --suite rules")
      }
      guard checkpoints.count == 1 else {
        throw CommandError("--checkpoint \(checkpoints[1]): several are compared by --suite alone")
      }
      try evaluate(checkpoint, on: tokens)
    }

    private func evaluate(_ checkpoint: String, on tokens: String) throws {
      let place = try reporting.path(
        besides: InputFiles.reached(from: [checkpoint, tokens] + [tokenizer].compactMap { $0 }))
      if let sequence, !(1...1 << 24).contains(sequence) {
        throw CommandError("--sequence \(sequence): must be from 1 to 16,777,216")
      }
      try refuseDemonstrations(tokens)
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
          seconds: (ContinuousClock.now - start) / .seconds(1), report: place)
      }
    }

    /// Demonstrations read as plain text would be names of keys and quotes for the most part.
    private func refuseDemonstrations(_ path: String) throws {
      guard let file = FileHandle(forReadingAtPath: path),
        let beginning = try? file.read(upToCount: 1 << 20),
        let line = beginning.split(separator: UInt8(ascii: "\n")).first,
        let table = try? JSONValue(Array(line))
      else { return }
      for key in ["prompt", "messages"] where table[key] != nil {
        throw CommandError(
          "--tokens \(path): has a table with \(key) a line, as demonstrations have; their loss on completions "
            + "is data.evaluation's in a run of objective: demonstrations")
      }
    }

    private func display(
      _ result: Evaluation, _ inputs: EvaluationInputs, seconds: Double, report: OutputPath?
    ) throws {
      let perplexity = exp(result.loss)
      let figures = Figures(
        loss: result.loss, perplexity: perplexity, tokens: result.tokens,
        sequences: result.sequences, seconds: seconds, inputs: inputs)
      let page = try page(of: figures)
      try reporting.write(page, to: report)
      try show(json ? try jsonText(figures) : page.text)
    }

    private func page(of figures: Figures) throws -> ReportPage {
      let inputs = figures.inputs
      var page = try ReportPage(
        "evaluate",
        verdict: String(
          format: "%@ has a loss of %.4f on %@, a perplexity of %.2f.",
          lastName(inputs.checkpoint), figures.loss, lastName(inputs.tokens), figures.perplexity),
        figures: figures)
      page.facts = [
        .init(
          "Loss", .init(String(format: "%.6f", figures.loss), figures.loss, key: "loss"),
          note: "nats a token"),
        .init(
          "Perplexity",
          .init(String(format: "%.4f", figures.perplexity), figures.perplexity, key: "perplexity")),
        .init(
          "Tokens", .init(grouped(figures.tokens), Double(figures.tokens), key: "tokens"),
          note: "predicted"),
        .init(
          "Sequences",
          .init(grouped(figures.sequences), Double(figures.sequences), key: "sequences")),
      ]
      page.inputs = [
        .init("Model", inputs.model), .init("Checkpoint", inputs.checkpoint),
        .init("Data", inputs.tokens),
        .init("Tokenizer", inputs.tokenizer ?? "not known", in: .foot),
        .init("Window", "\(inputs.sequenceTokens) tokens"), .init("Ranks", "\(inputs.ranks)"),
        .init("Version", inputs.version),
      ]
      return page
    }

    /// The last part of a path, as a sentence says it.
    private func lastName(_ path: String) -> String {
      URL(filePath: path).standardizedFileURL.lastPathComponent
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
