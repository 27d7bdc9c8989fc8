"""Writes families.json: what transformers computes for small models of the families that train.

python families.py  (torch, transformers 5; one thread). Weights follow from the tensors' names by the
rule in ConfigurationTests.swift, so none are stored.
"""
import copy, json, random
import torch
from transformers import AutoConfig, AutoModelForCausalLM

torch.set_num_threads(1)
MASK = (1 << 64) - 1
BASE = dict(vocab_size=31, hidden_size=16, intermediate_size=20, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
            rms_norm_eps=1e-5, tie_word_embeddings=False)
ROPE = dict(rope_type='default', rope_theta=10000.0)

CASES = [
  ('mistral: a window', 'mistral', dict(sliding_window=5, head_dim=4), {}),
  ('mistral: a window across tiles', 'mistral',
   dict(sliding_window=20, head_dim=4, max_position_embeddings=128), dict(rows=1, length=141)),
  ('mistral: wide heads, linear', 'mistral',
   dict(sliding_window=None, head_dim=10,
        rope_parameters=dict(rope_type='linear', rope_theta=300.0, factor=4.0)), {}),
  ('qwen2: biases, tied', 'qwen2', dict(tie_word_embeddings=True), {}),
  ('qwen2: windows in later layers', 'qwen2',
   dict(use_sliding_window=True, sliding_window=4, max_window_layers=1, num_hidden_layers=3), {}),
  ('qwen2: llama3', 'qwen2',
   dict(rope_parameters=dict(rope_type='llama3', rope_theta=100.0, factor=4.0,
        low_freq_factor=1.0, high_freq_factor=2.0, original_max_position_embeddings=32)), {}),
  ('qwen3: norms over heads, tied', 'qwen3', dict(head_dim=6, tie_word_embeddings=True), {}),
  ('qwen3: yarn, biases, one key head', 'qwen3',
   dict(head_dim=8, num_key_value_heads=1, attention_bias=True,
        rope_parameters=dict(rope_type='yarn', rope_theta=10000.0, factor=4.0,
        original_max_position_embeddings=16)), {}),
  ('qwen3: windows by layer', 'qwen3',
   dict(head_dim=6, use_sliding_window=True, sliding_window=3, max_window_layers=0,
        layer_types=['sliding_attention', 'full_attention']), {}),
  ('mixtral', 'mixtral', dict(num_local_experts=4, num_experts_per_tok=2), {}),
  ('mixtral: a window, tied', 'mixtral',
   dict(num_local_experts=4, num_experts_per_tok=3, sliding_window=4, head_dim=6,
        tie_word_embeddings=True), {}),
  ('mixtral: balance', 'mixtral',
   dict(num_local_experts=4, num_experts_per_tok=2, num_hidden_layers=1,
        output_router_logits=True, router_aux_loss_coef=0.5), dict(rows=1)),
  ('qwen3_moe: normalised, every second layer', 'qwen3_moe',
   dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=6,
        norm_topk_prob=True, decoder_sparse_step=2), {}),
  ('qwen3_moe: not normalised, one dense layer', 'qwen3_moe',
   dict(num_experts=8, num_experts_per_tok=3, moe_intermediate_size=6, head_dim=6,
        norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[1], num_hidden_layers=3), {}),
  ('qwen3_moe: balance of one layer', 'qwen3_moe',
   dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=6,
        norm_topk_prob=True, decoder_sparse_step=2,
        output_router_logits=True, router_aux_loss_coef=0.5), dict(rows=1)),
  # Balance over the routers of all layers, a call for each microbatch.
  ('mixtral: balance over layers', 'mixtral',
   dict(num_local_experts=4, num_experts_per_tok=2, num_hidden_layers=3,
        output_router_logits=True, router_aux_loss_coef=0.5), dict(rows=4, microbatch=2)),
  ('qwen3_moe: balance over layers', 'qwen3_moe',
   dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=6,
        norm_topk_prob=True, num_hidden_layers=3, mlp_only_layers=[1],
        output_router_logits=True, router_aux_loss_coef=0.5), dict(rows=4, microbatch=1)),
  # Eight layers, for pipelines.
  ('mistral, 8 layers', 'mistral', dict(sliding_window=6, num_hidden_layers=8), dict(rows=4, few=True)),
  ('qwen2, 8 layers', 'qwen2', dict(tie_word_embeddings=True, num_hidden_layers=8), dict(rows=4, few=True)),
  ('qwen3, 8 layers', 'qwen3', dict(head_dim=6, num_hidden_layers=8), dict(rows=4, few=True)),
  ('mixtral, 8 layers', 'mixtral',
   dict(num_local_experts=4, num_experts_per_tok=2, num_hidden_layers=8), dict(rows=4, few=True)),
  ('qwen3_moe, 8 layers', 'qwen3_moe',
   dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, head_dim=6,
        norm_topk_prob=True, num_hidden_layers=8, mlp_only_layers=[0]), dict(rows=4, few=True)),
]


def numbers(name, count):
  """SplitMix64 from the FNV-1a hash of a name, 24 bits of each as a number from -1 to 1."""
  state = 0xcbf29ce484222325
  for byte in name.encode():
    state = ((state ^ byte) * 0x100000001b3) & MASK
  out = []
  for _ in range(count):
    state = (state + 0x9e3779b97f4a7c15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & MASK
    z ^= z >> 31
    out.append((z >> 40) / (1 << 23) - 1)
  return out


def weights(name, shape):
  count = 1
  for side in shape: count *= side
  gain = 'norm' in name and not name.endswith('bias')
  return torch.tensor([(1 if gain else 0) + u * 0.25 for u in numbers(name, count)],
                      dtype=torch.float32).reshape(shape)


def parts(name, tensor, family):
  """A parameter of transformers as tensors of a checkpoint: experts one by one."""
  if '.experts.' not in name:
    if family == 'mixtral': name = name.replace('.mlp.gate.', '.block_sparse_moe.gate.')
    return [(name, tensor)]
  layer = name[:name.index('.mlp.')]
  names = ('w1', 'w3', 'w2') if family == 'mixtral' else ('gate_proj', 'up_proj', 'down_proj')
  block = layer + ('.block_sparse_moe' if family == 'mixtral' else '.mlp')
  out = []
  for expert in range(tensor.shape[0]):
    own = f'{block}.experts.{expert}.'
    if name.endswith('gate_up_proj'):
      half = tensor.shape[1] // 2
      out.append((f'{own}{names[0]}.weight', tensor[expert, :half]))
      out.append((f'{own}{names[1]}.weight', tensor[expert, half:]))
    else:
      out.append((f'{own}{names[2]}.weight', tensor[expert]))
  return out


def rounded(values): return [float(f'{v:.7g}') for v in values]


def run(config, family, rows, dtype, places, few, microbatch):
  model = AutoModelForCausalLM.from_config(
      copy.deepcopy(config), attn_implementation='eager', experts_implementation='eager')
  model = model.to(dtype).train()
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      for own, part in parts(name, parameter.data, family):
        part.copy_(weights(own, part.shape).to(dtype))
  assert not [b for n, b in model.named_buffers() if 'inv_freq' not in n]
  optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.9, 0.95), eps=1e-8,
                                weight_decay=0.1)
  tokens = torch.tensor(rows)
  config_of_balance = getattr(config, 'output_router_logits', False)
  def forward():
    if not config_of_balance:
      return model(input_ids=tokens, labels=tokens)  # labels are shifted inside
    # Routers see the tokens that have a label, as sluice's do; microbatches count alike.
    parts = [model(input_ids=part[:, :-1]) for part in tokens.split(microbatch)]
    out = parts[0]
    out.logits = torch.cat([part.logits for part in parts])
    out.aux_loss = sum(part.aux_loss for part in parts) / len(parts)
    out.loss = torch.nn.functional.cross_entropy(
        out.logits.flatten(0, 1), tokens[:, 1:].flatten()) + config.router_aux_loss_coef * out.aux_loss
    return out
  result = dict(losses=[])
  for step in range(4):
    out = forward()
    if step == 0:
      logits = out.logits[:, :len(rows[0]) - 1].reshape(-1)
      result['logits'] = rounded(logits[places['logits']].tolist())
      if getattr(out, 'aux_loss', None) is not None: result['auxiliary'] = out.aux_loss.item()
    if len(rows) > microbatch: result.setdefault('auxiliaries', []).append(out.aux_loss.item())
    result['losses'].append(float(f'{out.loss.item():.9g}'))
    optimizer.zero_grad()
    out.loss.backward()
    if step == 0:
      result['gradients'] = []
      for name, parameter in model.named_parameters():
        for own, part in parts(name, parameter.grad, family):
          flat = part.reshape(-1).double()
          known = dict(tensor=own, largest=rounded([float(flat.abs().max())])[0],
                       norm=rounded([float(flat.norm())])[0], at=[], values=[])
          if dtype == torch.float64 and not few:
            generator = random.Random(own)
            known['at'] = sorted(generator.sample(range(flat.numel()), min(4, flat.numel())))
            known['values'] = rounded(flat[known['at']].tolist())
          result['gradients'].append(known)
    optimizer.step()
  return result


cases = []
for name, family, settings, shape in CASES:
  config = AutoConfig.for_model(family, **{**BASE, 'rope_parameters': ROPE, **settings})
  generator = random.Random(name)
  length = shape.get('length', 15)
  rows = [[generator.randrange(31) for _ in range(length)] for _ in range(shape.get('rows', 2))]
  # Places of logits in rows * (tokens - 1) * vocabulary.
  total = len(rows) * (length - 1) * 31
  few = shape.get('few', False)
  places = dict(logits=sorted(generator.sample(range(total), 12 if few else 24)))
  written = config.to_dict()
  for key in ['transformers_version', 'architectures', 'dtype', 'bos_token_id', 'eos_token_id',
              'use_cache', 'return_dict', 'output_hidden_states', 'output_attentions', 'id2label',
              'label2id', 'problem_type', 'chunk_size_feed_forward', 'is_encoder_decoder',
              '_name_or_path']:
    written.pop(key, None)
  both = {}
  for kind in ['float64', 'float32']:
    torch.set_default_dtype(getattr(torch, kind))
    both[kind] = run(config, family, rows, getattr(torch, kind), places, few, shape.get('microbatch', len(rows)))
  size = {k: v for k, v in shape.items() if k == 'microbatch'}
  cases.append(dict(name=name, config=written, rows=rows, logitsAt=places['logits'], **size, **both))

with open('families.json', 'w') as file:
  file.write('[\n' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases) + '\n]\n')
for case in cases:
  a, b = case['float64']['losses'], case['float32']['losses']
  print(case['name'], a, max(abs(x - y) for x, y in zip(a, b)), case['float64'].get('auxiliary'))
