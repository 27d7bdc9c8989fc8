import json, torch, random, sys
from transformers import AutoModelForCausalLM
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
root='../checkpoints/'
random.seed(14)
cases=[]
settings={
 'gpt2-tiny':dict(clip=[0.2,0.28],beta=0.04,advantage='std',normalise='sequence',temperature=1.0),
 'llama-tiny':dict(clip=[0.1,0.1],beta=0.1,advantage='population',normalise='token',temperature=0.7),
 'deepseek-v3-tiny':dict(clip=[0.2,0.28],beta=0.04,advantage='none',normalise='length',temperature=1.0),
}
MAX=8
for name,s in settings.items():
    rows=[]
    for g in range(2):
        prompt=[random.randrange(2,97) for _ in range(3+2*g)]
        for k in range(4):
            n=[8,5,1,7,3,8,2,6][g*4+k]
            rows.append(dict(prompt=prompt,completion=[random.randrange(2,97) for _ in range(n)],
                             reward=[1,0,0.5,0,0,1,1,0.25][g*4+k]))
    model=AutoModelForCausalLM.from_pretrained(root+name,torch_dtype=torch.float64,attn_implementation='eager',experts_implementation='eager')
    model=model.double(); model.train()
    for m in model.modules():
        if isinstance(m,torch.nn.Dropout): m.p=0.0
    params=[p for n,p in model.named_parameters() if 'e_score' not in n]
    opt=torch.optim.AdamW(params,lr=0.0005,betas=(0.9,0.95),eps=1e-8,weight_decay=0.0)
    L=max(len(r['prompt'])+len(r['completion']) for r in rows)
    def logps():
        out=[]
        for r in rows:
            t=torch.tensor([r['prompt']+r['completion']])
            lo=model(t,use_cache=False).logits[0].double()/s['temperature']
            lp=torch.log_softmax(lo,-1)
            P=len(r['prompt'])
            out.append(torch.stack([lp[P-1+j,r['completion'][j]] for j in range(len(r['completion']))]))
        return out
    with torch.no_grad(): old=[x.clone() for x in logps()]
    ref=old
    R=torch.tensor([r['reward'] for r in rows])
    A=[]
    for g in range(2):
        x=R[4*g:4*g+4]; m=x.mean()
        d={'std':x.std()+1e-4,'population':x.std(unbiased=False)+1e-4,'none':torch.tensor(1.0)}[s['advantage']]
        A+=list((x-m)/d)
    N=sum(len(r['completion']) for r in rows); B=len(rows)
    steps=[]
    for step in range(3):
        lp=logps(); loss=0; kl=0; low=high=0
        for i,r in enumerate(rows):
            n=len(r['completion'])
            w={'sequence':1/(B*n),'token':1/N,'length':1/(B*MAX)}[s['normalise']]
            ratio=torch.exp(lp[i]-old[i]); rc=torch.clamp(ratio,1-s['clip'][0],1+s['clip'][1])
            d=ref[i]-lp[i]; k=torch.exp(d)-d-1
            l=-torch.min(ratio*A[i],rc*A[i])+s['beta']*k
            loss=loss+(w*l).sum(); kl=kl+(w*k).sum()
            low+=((ratio<1-s['clip'][0])&(A[i]<0)).sum().item(); high+=((ratio>1+s['clip'][1])&(A[i]>0)).sum().item()
        opt.zero_grad(); loss.backward()
        grads={n:p.grad.abs().max().item() for n,p in model.named_parameters() if p.grad is not None}
        norm=torch.nn.utils.clip_grad_norm_(params,1.0).item()
        steps.append(dict(loss=loss.item(),kl=kl.item(),grad_norm=norm,clip_low=low/N,clip_high=high/N))
        opt.step()
    print(name,L,steps)
    cases.append(dict(model=name,settings=s,rows=rows,max_tokens=MAX,learning_rate=0.0005,steps=steps))
json.dump(cases,open('../grpo/updates.json','w'),indent=0)
