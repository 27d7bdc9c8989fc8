#if MPI
  import ArgumentParser
  import Reports
  import Training

  /// `sluice data`: a token file from texts.
  struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "data",
      abstract: "Turn text files into a file of tokens to train on.",
      discussion: """
        The file holds numbers of 16 or 32 bits, little endian, without a header; FILE.json beside it \
        says which, and holds the tokenizer: take both along. Only files that \
        sluice data wrote are replaced, and neither a text nor a tokenizer that is read.

        Example:
          sluice data book.txt letters.txt -o tokens.bin
          sluice data book.txt -o tokens.bin --tokenizer checkpoints/gpt2/tokenizer.json
        """)

    @Argument(help: "The texts, one behind the other.", completion: .file())
    var files: [String]

    @Option(name: .shortAndLong, help: "The token file.", completion: .file())
    var output: String

    @Option(
      help: "bytes, or a Hugging Face tokenizer.json, or a folder with one.", completion: .file())
    var tokenizer = "bytes"

    func run() throws {
      let file = try TokenFile.write(
        texts: files, to: output, tokenizer: try NamedTokenizer(named: tokenizer))
      try show("\(output): \(grouped(file.count)) tokens of \(file.width.size * 8) bits\n")
    }
  }
#endif
