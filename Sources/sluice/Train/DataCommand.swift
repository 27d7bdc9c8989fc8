#if MPI
  import ArgumentParser
  import Reports
  import Tokens
  import Training

  /// `sluice data`: a token file from texts, or the files of a task.
  struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "data",
      abstract: "Turn text files into a file of tokens to train on, or make the data of a task.",
      discussion: """
        The file holds numbers of 16 or 32 bits, little endian, without a header; FILE.json beside it \
        says which, and holds the tokenizer: take both along. Only files that \
        sluice data wrote are replaced, and neither a text nor a tokenizer that is read.

        With --task the output is a folder: prompts with right answers, demonstrations of which some are \
        wrong on purpose, questions held out, a tokenizer of characters and the config.json of a model \
        small enough to learn the task on two cores. No question is in two files, and none that is held \
        out is ever in another file, whatever the seeds.

        Example:
          sluice data book.txt letters.txt -o tokens.bin
          sluice data book.txt -o tokens.bin --tokenizer gpt2/tokenizer.json
          sluice data --task digit-sum --seed 1 -o tasks/digit-sum
        """)

    @Argument(help: "The texts, one behind the other.", completion: .file())
    var files: [String] = []

    @Option(
      name: .shortAndLong, help: "The token file, or with --task the folder.", completion: .file())
    var output: String

    @Option(
      help: "bytes by default, or a Hugging Face tokenizer.json, or a folder with one.",
      completion: .file())
    var tokenizer: String?

    @OptionGroup(title: "Data of a task")
    var task: TaskOptions

    func run() throws {
      guard task.tasks.isEmpty else {
        try refuse(
          [(files.first ?? "", !files.isEmpty), ("--tokenizer", tokenizer != nil)],
          beside: "--task, which makes its own texts")
        return try task.write(to: output)
      }
      if let (name, _) = task.others.first(where: { $0.1 }) {
        throw CommandError("\(name) has no effect without --task")
      }
      guard !files.isEmpty else { throw CommandError("give the texts, or --task and its name") }
      let file = try TokenFile.write(
        texts: files, to: output, tokenizer: try NamedTokenizer(named: tokenizer ?? "bytes"))
      try show("\(output): \(grouped(file.count)) tokens of \(file.width.size * 8) bits\n")
    }
  }
#endif
