import Foundation
import TestSupport
import Testing

/// `sluice import` from the outside: what it writes, and what it leaves alone.
@Suite struct ImportCommandTests {
  private static let script =
    "torchrun --nproc_per_node 8 pretrain_gpt.py --num-layers 32 --hidden-size 4096 "
    + "--num-attention-heads 32 --seq-length 4096 --max-position-embeddings 4096 "
    + "--micro-batch-size 1 --global-batch-size 64 --vocab-size 32000\n"

  /// Both files are written and read by other commands, and nothing is replaced unasked.
  @Test func aScriptBecomesAModelAndAPlan() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(Self.script, to: "job.sh")
    let out = folder.file("some/job")
    let command = try Command.run(["import", path, "-o", out])
    #expect(command.status == 0, "\(command.errors)")
    let model = try Command.run(["model", out])
    #expect(model.status == 0, "\(model.errors)")
    let again = try Command.run(["import", path, "-o", out])
    #expect(again.status == 1 && again.errors.contains("--overwrite replaces it"))
  }

  /// A job that cannot be read leaves no folder behind.
  @Test func aFaultLeavesNothing() throws {
    let folder = try ScratchFolder()
    let path = try folder.write(
      Self.script.replacing("--hidden-size 4096", with: "--hidden-size 0"), to: "job.sh")
    let out = folder.file("job")
    let command = try Command.run(["import", path, "-o", out])
    #expect(command.status == 1 && command.output.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}
