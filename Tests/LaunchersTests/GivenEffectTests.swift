import Documents
import Plans
import Testing

import Launchers

/// What the command line and a script's words say is read as the launcher reads it, or refused.
@Suite struct GivenEffectTests {
  private static let options = """
    --num-layers 8 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 \
    --max-position-embeddings 1024 --vocab-size 1000 --micro-batch-size 1 --bf16
    """

  private func job(
    _ more: String, before: String = "", _ definitions: [String: String] = [:], length: Int? = nil,
    ranks: Int? = nil
  ) throws -> ImportedJob {
    var settings = ImportSettings()
    (settings.definitions, settings.sequenceLength) = (definitions, length)
    settings.ranks = ranks
    let text = "\(before)\ntorchrun --nproc_per_node 8 pretrain_gpt.py \(Self.options) \(more)\n"
    return try LauncherImport.job(texts: [("run.sh", text)], settings)
  }

  private func error(
    _ more: String, before: String = "", _ definitions: [String: String] = [:], length: Int? = nil
  ) throws -> ConfigurationError {
    try #require(throws: ConfigurationError.self) {
      try job(more, before: before, definitions, length: length)
    }
  }

  // MARK: - The script's own arguments

  @Test(arguments: ["\"$@\"", "$@", "${@}", "$*", "\"${@:2}\""])
  func argumentsThatNobodyGivesAreEmpty(_ word: String) throws {
    for more in ["--global-batch-size 64 \(word)", "\(word) --global-batch-size 64"] {
      let job = try job(more)
      #expect(try ImportTests.plan(job).globalBatch == 64)
      #expect(job.options.contains { $0.meaning.contains("none are given") && $0.line == 2 })
    }
  }

  @Test func argumentsThatAreGiven() throws {
    let given = ["1": "64", "2": "--swiglu"]
    let job = try job("--global-batch-size $1 \"${@:2}\"", given)
    #expect(job.options.contains { $0.option == "--swiglu" })
    #expect(try error("--global-batch-size $1").rule.contains("give it with --define 1=VALUE"))
    let own = try self.job("--global-batch-size $1", before: "set -- 32 x")
    #expect(try ImportTests.plan(own).globalBatch == 32)
  }

  // MARK: - Options of the import without effect

  @Test func definitionsThatNothingReads() throws {
    let batch = "--global-batch-size $GBS"
    #expect(
      try ImportTests.plan(job(batch, before: "GBS=${GBS:-8}", ["GBS": "16"])).globalBatch == 16)
    let other = try error(batch, before: "GBS=${GBS:-8}", ["GBZ": "16"])
    #expect(other.file == "--define" && other.suggestion == "GBS")
    let replaced = try error(batch, before: "GBS=8", ["GBS": "16"])
    #expect(replaced.line == 1 && replaced.rule.contains("--define GBS=16 has no effect"))
    var settings = ImportSettings()
    settings.definitions = ["A": "1"]
    let toml = "[model]\nflavor = \"8B\"\n"
    #expect(throws: ConfigurationError.self) {
      try LauncherImport.job(texts: [("a.toml", toml)], settings)
    }
  }

  @Test func aLengthBesideAnother() throws {
    #expect(try error("", length: 2048).rule.contains("--seq-length 2048 of the import"))
    #expect(try ImportTests.plan(job("", length: 1024)).sequenceLength == 1024)
    let titan = "[model]\nflavor = \"8B\"\n"
    #expect(try ImportTests.plan(ImportTests.job(titan, length: 4096)).sequenceLength == 4096)
    let said = titan + "[training]\nseq_len = 2048\n"
    let error = try #require(throws: ConfigurationError.self) {
      try ImportTests.job(said, length: 4096)
    }
    #expect(error.line == 4)
    let job = try #require(throws: ConfigurationError.self) { try ImportTests.job(said, job: "a") }
    #expect(job.rule.contains("one job"))
  }

  @Test func aModelBesideAFlavour() throws {
    var settings = ImportSettings()
    settings.model = "gpt-2"
    let titan = "[model]\nflavor = \"8B\"\n"
    let error = try #require(throws: ConfigurationError.self) {
      try LauncherImport.job(texts: [("a.toml", titan)], settings)
    }
    #expect(error.file == "--model" && error.value == "gpt-2")
    (settings.model, settings.vocabulary) = ("llama-3.1-8b", 1000)
    settings.sequenceLength = 4096
    let size = try #require(throws: ConfigurationError.self) {
      try LauncherImport.job(texts: [("d.json", "{\"train_batch_size\": 8}")], settings)
    }
    #expect(size.file == "--vocab-size" && size.rule.contains("has no effect"))
  }

  // MARK: - Words as argparse reads them

  @Test func oneDashIsNoOption() throws {
    let error = try error("-tensor-model-parallel-size 2")
    #expect(error.suggestion == "--tensor-model-parallel-size" && error.line == 2)
    #expect(try job("-x 2").options.contains { $0.option == "-x" && $0.sense == .unknown })
  }

  @Test(arguments: ["\"\"", "64.0", "1e3", "None"])
  func wholeNumbersOfCommandLines(_ text: String) throws {
    #expect(try error("--tensor-model-parallel-size \(text)").rule.contains("number"))
  }

  // MARK: - Arithmetic

  @Test func whatArithmeticLacksIsNamed() throws {
    let batch = "--global-batch-size $GBS"
    #expect(
      try error(batch, before: "TP=2; GBS=$(( WORLD / TP ))").rule.contains("${WORLD} is not"))
    #expect(try error(batch, before: "W=$((N*8)); GBS=$((W/2))").rule.contains("${N} is not"))
    let command = try error(batch, before: "W=$(nvidia-smi -L); GBS=$((W/2))")
    #expect(command.rule.contains("write its value"))
    let given = try job(batch, before: "TP=2; GBS=$((WORLD/TP))", ["WORLD": "32"])
    #expect(try ImportTests.plan(given).globalBatch == 16)
  }

  @Test(arguments: [
    "GBS=$((2**6))", ": \"${GBS:=64}\"", "N=8; let GBS=N*8", "let 'GBS = 32' GBS+=32",
    "GBS=32; ((GBS *= 2))", "N=0x10; GBS=$(( N > 8 ? 1 << 6 : 07 ))",
    "GBS=63; ((GBS++))", "GBS=65; let --GBS", "GBS=64; if (( GBS < 64 )); then GBS=8; fi",
    "GBS=64; (( GBS == 8 )) && GBS=16",
    "GBS=${GBS:-$((8*8))}",
  ])
  func arithmeticIsTheShells(_ before: String) throws {
    #expect(try ImportTests.plan(job("--global-batch-size $GBS", before: before)).globalBatch == 64)
  }

  // MARK: - Megatron-Core's rules

  @Test func wholeLayersNeedAMethod() throws {
    let full = "--recompute-granularity full"
    #expect(try error(full).rule.contains("--recompute-method"))
    #expect(try error("\(full) --recompute-method uniform").rule.contains("--recompute-num-layers"))
    _ = try job("\(full) --recompute-method uniform --recompute-num-layers 1")
  }

  /// A plan has one dropout: that of attention, which stays where the other is off, is said to be lost.
  @Test func dropoutOfAttentionAlone() throws {
    let job = try job("--hidden-dropout 0.0")
    #expect(try !ImportTests.plan(job).dropout)
    let lost = job.options.filter { $0.option == "--attention-dropout" }
    #expect(lost.map(\.sense) == [.unmodelled])
    let usual = try self.job("").options.filter { $0.option.hasSuffix("-dropout") }
    #expect(usual.count == 2 && usual.allSatisfy { $0.sense == .implied })
  }
}
