### Texts in Dutch, at B1 level: short sentences, "u", the active voice. The same messages stand in en.ftl.
### page-…: pages. mail-…: mails. A variable is a value that we escape where it is shown.

## Every page

page-skip = Naar de inhoud
page-language = Taal
page-help = Hulp
page-privacy = Privacy
page-accessibility = Toegankelijkheid
