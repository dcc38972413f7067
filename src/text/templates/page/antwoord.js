(()=>{"use strict";
const form=document.getElementById("antwoord"),text=form.tekst,pick=form.bijlage,stand=document.getElementById("stand"),said=form.dataset;
let saved=text.value,timer=0,queue=Promise.resolve(),busy=0;
const data=(doe)=>{const d=new FormData();for(const n of["pagina","concept","tekst"])d.append(n,form.elements[n].value);d.append("doe",doe);return d};
const take=(html)=>{const page=new DOMParser().parseFromString(html,"text/html");for(const id of["bijlagen","meldingen"]){const from=page.getElementById(id),to=document.getElementById(id);if(from)to.replaceChildren(...from.childNodes)}
for(const name of["aria-invalid","aria-describedby"]){const value=page.getElementById("tekst")?.getAttribute(name);value==null?text.removeAttribute(name):text.setAttribute(name,value)}
const left=page.getElementById("sessie")?.dataset.seconds;if(left)dispatchEvent(new CustomEvent("zegel-sessie",{detail:left}));
const id=page.querySelector("input[name=concept]"),token=page.querySelector("#antwoord input[name=pagina]");if(id)form.concept.value=id.value;if(token)form.pagina.value=token.value;return!!id};
const send=(d,progress)=>new Promise((done,fail)=>{const x=new XMLHttpRequest();x.open("POST",form.action);if(progress)x.upload.onprogress=(e)=>{if(e.lengthComputable)progress(e.loaded/e.total)};
x.onload=()=>{const ok=x.status===204||take(x.responseText),left=x.getResponseHeader("Zegel-Session-Seconds");if(left)dispatchEvent(new CustomEvent("zegel-sessie",{detail:left}));ok?done(x.status===422):fail()};x.onerror=x.onabort=fail;x.send(d)});
const note=(words)=>{stand.textContent=words};
const save=()=>{const now=text.value;if(now===saved||busy||!now.trim())return;const d=data("bewaren");d.append("stil","1");send(d).then(()=>{saved=now;note(said.saved)},()=>note(said.failed))};
text.addEventListener("input",()=>{clearTimeout(timer);timer=setTimeout(save,4000)});
document.addEventListener("visibilitychange",()=>{if(document.visibilityState==="hidden")save()});
const upload=(file)=>{if(file.size>+said.file){note(said.large.replace("{naam}",file.name));return}
queue=queue.then(async()=>{busy++;const bar=document.createElement("progress"),label=document.createElement("p");bar.max=1;bar.setAttribute("aria-label",file.name);label.append(file.name," ",bar);document.getElementById("bijlagen").append(label);note(said.busy);
const d=data("toevoegen");d.delete("doe");d.append("bijlage",file,file.name);d.append("doe","toevoegen");
try{const trouble=await send(d,(part)=>{bar.value=part});saved=text.value;note(trouble?"":said.saved)}catch{note(said.failed)}label.remove();busy--})};
pick.addEventListener("change",()=>{[...pick.files].forEach(upload);pick.value=""});
document.getElementById("toevoegen").hidden=true;
form.addEventListener("dragover",(e)=>{if([...e.dataTransfer.types].includes("Files")){e.preventDefault();form.classList.add("drop")}});
form.addEventListener("dragleave",()=>form.classList.remove("drop"));
form.addEventListener("drop",(e)=>{form.classList.remove("drop");if(e.dataTransfer.files.length){e.preventDefault();[...e.dataTransfer.files].forEach(upload)}});
form.addEventListener("submit",(e)=>{if(busy){e.preventDefault();note(said.busy)}});
})()
